"""Model, optimizer, data and random states are after a check-up to the bit as before."""

import hashlib
import random
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torch.nn.utils.rnn import pack_padded_sequence

from unitgain.checkup import checkup

N = 24


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 16), nn.Linear(16, 3)

    def forward(self, x):
        return self.b(F.dropout(F.relu(self.a(x)), 0.1, self.training))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.start = nn.Conv2d(1, 4, 3, padding=1)
        self.one, self.two = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(4), nn.Linear(4, 3)

    def forward(self, x):
        h = self.start(x)
        return self.head((h + self.two(self.norm(self.one(h)).relu())).mean((2, 3)))


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.embed, self.encoder = (
            nn.Embedding(11, 8),
            nn.TransformerEncoder(layer, 1, enable_nested_tensor=False),
        )
        self.head = nn.Linear(8, 3)

    def forward(self, tokens, mask):
        return self.head(self.encoder(self.embed(tokens), src_key_padding_mask=mask).mean(1))


class Packed(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(5, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return self.head(self.lstm(packed)[1][0][-1])


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 8), nn.Linear(2, 3)
        self.head = nn.Linear(11, 3)

    def forward(self, table, extra):
        return {"logits": self.head(torch.cat([self.a(table).relu(), self.b(extra)], 1))}


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.code, self.back = nn.Linear(6, 4, bias=False), nn.Linear(4, 6, bias=False)
        self.back.weight = nn.Parameter(self.code.weight.detach().T.clone())
        self.again = nn.Linear(6, 4, bias=False)
        self.again.weight = self.code.weight

    def forward(self, x):
        return self.back(torch.tanh(self.code(x)) + torch.tanh(self.again(x)))


def rows(*shape):
    return torch.randn(N, *shape)


def classes():
    return torch.arange(N) % 3


def mlp(*more):
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), *more, nn.Linear(16, 3))


def frozen():
    model = mlp(nn.BatchNorm1d(16))
    model[0].requires_grad_(False)
    return model


def seen_before():
    model = Functional()
    model.kept = model.a(torch.ones(1, 6))  # left by a forward pass, with its graph
    return model


def hooked():
    model = mlp()
    model[0].register_forward_hook(lambda module, _, out: out * 1.0)
    model[0].weight.register_hook(lambda grad: grad * 1.0)
    return model


SETUPS = {
    "functional": lambda: (Functional(), (rows(6), classes()), "cross_entropy"),
    "a residual block with batch normalization": lambda: (
        Block(),
        (rows(1, 6, 6), classes()),
        nn.CrossEntropyLoss(),
    ),
    "a transformer with a mask": lambda: (
        Masked(),
        (torch.randint(11, (N, 5)), torch.arange(5).expand(N, 5) > 2, classes()),
        F.cross_entropy,
    ),
    "a packed LSTM": lambda: (Packed(), (rows(7, 5), torch.randint(1, 8, (N,)), classes()), "cross_entropy"),
    "an autoencoder": lambda: (nn.Sequential(nn.Linear(6, 3), nn.Tanh(), nn.Linear(3, 6)), rows(6), "mse"),
    "a frozen layer": lambda: (frozen(), (rows(6), classes()), "cross_entropy"),
    "a dictionary": lambda: (
        Named(),
        {"table": rows(6), "extra": rows(2), "labels": classes()},
        lambda out, y: F.cross_entropy(out["logits"], y),
    ),
    "tied weights": lambda: (Tied(), (rows(6), rows(6)), "mse"),
    "a parametrization": lambda: (
        nn.Sequential(parametrizations.weight_norm(nn.Linear(6, 16)), nn.ReLU(), nn.Linear(16, 3)),
        (rows(6), classes()),
        "cross_entropy",
    ),
    "spectral normalization": lambda: (
        nn.Sequential(parametrizations.spectral_norm(nn.Linear(6, 16)), nn.ReLU(), nn.Linear(16, 3)),
        (rows(6), classes()),
        "cross_entropy",
    ),
    "compiled": lambda: (torch.compile(mlp(), backend="eager"), (rows(6), classes()), "cross_entropy"),
    "bfloat16": lambda: (mlp().bfloat16(), (rows(6).bfloat16(), classes()), "cross_entropy"),
    "float64": lambda: (mlp().double(), (rows(6).double(), classes()), "cross_entropy"),
    "left over": lambda: (seen_before(), (rows(6), classes()), "cross_entropy"),
    "hooks": lambda: (hooked(), (rows(6), classes()), "cross_entropy"),
    "a loader": lambda: (
        mlp(),
        torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(rows(6), classes()), 8, shuffle=True, generator=torch.Generator()
        ),
        "cross_entropy",
    ),
}


def digest(model, optimizer, data):
    """All that a check-up could leave a trace in."""
    found = hashlib.sha256()

    def add(value):
        if isinstance(value, torch.Tensor):
            found.update(
                value.detach().contiguous().view(torch.uint8).numpy().tobytes()
                if value.ndim
                else str(value).encode()
            )
        else:
            found.update(repr(value).encode())

    for name, p in model.named_parameters():
        add((name, p.requires_grad, p.grad is None, id(p)))
        add(p)
        if p.grad is not None:
            add(p.grad)
    for name, buffer in model.named_buffers():
        add((name, id(buffer)))
        add(buffer)
    for module in model.modules():
        hooks = [len(h) for h in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)]
        add((module.training, hooks, sorted(vars(module)), id(module)))
    for group in optimizer.param_groups:
        add({k: v for k, v in group.items() if k != "params"})
        add([id(p) for p in group["params"]])
    for p, state in optimizer.state.items():
        add(id(p))
        for key, value in state.items():
            add(key)
            add(value)
    add((len(optimizer._optimizer_step_pre_hooks), len(optimizer._optimizer_step_post_hooks)))
    add((torch.get_rng_state(), random.getstate()))
    add(torch.get_rng_state())
    add(np.random.get_state()[1].tolist())
    generator = getattr(data, "generator", None)
    if generator is not None:
        add(generator.get_state())
    return found.hexdigest()


def used(name):
    """A set-up in the middle of its training: gradients are there, and the optimizer has a state."""
    torch.manual_seed(0)
    model, data, loss = SETUPS[name]()
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=1e-3)
    for p in model.parameters():
        if p.requires_grad:
            p.grad = torch.randn_like(p)
    optimizer.step()
    return model, data, loss, optimizer


@pytest.mark.parametrize("name", SETUPS)
def test_nothing_is_left_behind(name):
    model, data, loss, optimizer = used(name)
    before = digest(model, optimizer, data)
    report = checkup(model, data, loss, optimizer=optimizer, time_limit=2)
    assert digest(model, optimizer, data) == before
    assert not [one for one in report.findings if one.name == "does-not-run"], report


@pytest.mark.parametrize("takes", ["model", "nothing"])
def test_a_step_leaves_nothing_behind(takes):
    model, data, loss, optimizer = used("a frozen layer")

    def step(model, batch, optimizer):
        model.train()
        optimizer.zero_grad()
        F.cross_entropy(model(batch[0]), batch[1]).backward()
        optimizer.step()

    def closed(batch):
        step(model, batch, optimizer)

    before = digest(model, optimizer, data)
    checkup(model, data, loss, optimizer=optimizer, step=step if takes == "model" else closed, time_limit=2)
    assert digest(model, optimizer, data) == before


@pytest.mark.parametrize("when", [1, 2, 9, 40])
def test_an_error_inside_leaves_nothing_behind(when):
    model, data, _, optimizer = used("functional")
    calls = []

    def loss(output, target):
        calls.append(1)
        if len(calls) >= when:
            raise RuntimeError("in the user's loss")
        return F.cross_entropy(output, target)

    before = digest(model, optimizer, data)
    report = checkup(model, data, loss, optimizer=optimizer, time_limit=2)
    assert digest(model, optimizer, data) == before
    assert when > 9 or report.findings[0].name == "does-not-run"


def test_a_key_stroke_leaves_nothing_behind():
    model, data, _, optimizer = used("functional")
    calls = []

    def loss(output, target):
        calls.append(1)
        if len(calls) > 20:
            raise KeyboardInterrupt
        return F.cross_entropy(output, target)

    before = digest(model, optimizer, data)
    with pytest.raises(KeyboardInterrupt):
        checkup(model, data, loss, optimizer=optimizer)
    assert digest(model, optimizer, data) == before


def test_a_distributed_model():
    if not torch.distributed.is_available():
        pytest.skip("torch without distributed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = torch.distributed.HashStore()
        torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        try:
            model = nn.parallel.DistributedDataParallel(mlp())
            torch.manual_seed(0)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            data = rows(6), classes()
            before = digest(model, optimizer, data)
            checkup(model, data, "cross_entropy", optimizer=optimizer, time_limit=1)
            assert digest(model, optimizer, data) == before
        finally:
            torch.distributed.destroy_process_group()
