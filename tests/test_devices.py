"""devices.py: the fastest device there is."""

import pytest
import torch

from unitgain.devices import best_device


@pytest.mark.parametrize(
    ("cuda", "mps", "best"),
    [(False, False, "cpu"), (False, True, "mps"), (True, False, "cuda"), (True, True, "cuda")],
)
def test_order_of_preference(monkeypatch, cuda, mps, best):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert best_device() == torch.device(best)


def test_works_on_this_machine():
    x = torch.ones(2, device=best_device())
    assert (x + x).sum().item() == 4
