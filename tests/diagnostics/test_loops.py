"""observe in loops of every kind: optimizers, calls and containers as users write them."""

from contextlib import suppress
from multiprocessing.reduction import ForkingPickler

import pytest
import torch
from torch import nn

from tests.diagnostics.nets import assert_no_hook, assert_no_trace, data, small_net
from unitgain.diagnostics import observe


def step(model, optimizer, x) -> None:
    """One step as far as the update."""
    optimizer.zero_grad()
    model(x).square().mean().backward()


def names(record) -> list[str]:
    return [layer.name for layer in record.layers]


@pytest.mark.parametrize("options", [{"foreach": True}, {"fused": True}])
def test_updates_of_other_implementations(options):
    model, x = small_net(), data()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, **options)
    before = torch.cat([p.detach().flatten() for p in model[0].parameters()]).clone()
    with observe(model, optimizer=optimizer) as seen:
        step(model, optimizer, x)
        optimizer.step()
    after = torch.cat([p.detach().flatten() for p in model[0].parameters()])
    torch.testing.assert_close(seen.last.gradients[0].update, (before - after).norm() / before.norm())


def test_many_closures_are_one_step():
    model, x = small_net(nn.Tanh), data()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=5)
    calls = []

    def closure():
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        calls.append(model[0].weight.grad.norm())
        return loss

    with observe(model, optimizer=optimizer) as seen:
        for _ in range(2):
            optimizer.step(closure)
    assert len(calls) > 4
    assert [record.step for record in seen.steps] == [0, 1]
    assert names(seen.last) == ["0", "1", "2", "3", "4"]
    assert seen.last.gradients[0].norm >= calls[-1]


def test_a_model_that_calls_itself_is_called_once():
    class Tree(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.act = nn.Linear(3, 3), nn.ReLU()

        def forward(self, x, depth=2):
            return self.act(self.layer(x) if depth == 0 else self(x, depth - 1))

    with observe(model := Tree()) as seen:
        for _ in range(2):
            model(data()).sum().backward()
    assert [record.step for record in seen.steps] == [0, 1]
    assert names(seen.last) == ["layer", "act", "act#2", "act#3"]


def test_a_call_that_fails_is_over():
    class Picky(nn.Module):
        def forward(self, x):
            if len(x) == 1:
                raise ArithmeticError("on purpose")
            return x

    model = nn.Sequential(nn.Linear(3, 4), Picky(), nn.ReLU())
    with observe(model) as seen:
        for n in (5, 1, 4):
            with suppress(ArithmeticError):
                model(data(n)).sum().backward()
    assert [(record.step, names(record)) for record in seen.steps] == [
        (0, ["0", "2"]),
        (1, ["0"]),
        (2, ["0", "2"]),
    ]


def test_parts_of_a_model_called_by_themselves():
    """Training goes to the step under way; without gradient there is no call that could be an evaluation."""
    model = nn.ModuleDict({"encoder": nn.Linear(3, 4), "act": nn.ReLU(), "head": nn.Linear(4, 1)})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with observe(model, optimizer=optimizer) as seen:
        for _ in range(2):
            optimizer.zero_grad()
            model.head(model.act(model.encoder(data()))).sum().backward()
            optimizer.step()
            with torch.no_grad():
                model.head(model.act(model.encoder(data())))
    assert [(record.step, names(record)) for record in seen.steps] == [
        (step, ["encoder", "act", "head"]) for step in (0, 1)
    ]
    assert seen.evaluations == []


def test_transforms_of_functions_leave_nothing():
    model = small_net()
    parameters = {name: parameter.detach() for name, parameter in model.named_parameters()}

    def loss(parameters, x):
        return torch.func.functional_call(model, parameters, (x,)).square().mean()

    with observe(model) as seen:
        gradients = torch.func.grad(loss)(parameters, data())
        torch.func.vmap(model)(data())
        torch.func.functional_call(
            model, dict(model.named_parameters()), (data(),)
        ).square().mean().backward()
    assert [record.step for record in seen.steps] == [0]
    assert seen.evaluations == []
    torch.testing.assert_close(gradients["0.weight"], model[0].weight.grad)


def test_outputs_in_containers():
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)
            self.scale = nn.Parameter(torch.ones(2))

        def forward(self, x):
            return {"heads": (self.layer(x) * self.scale, None), "n": len(x)}

    with observe(model := Heads().eval()) as seen:
        out = model(data())["heads"][0]
        out.sum().backward()
    assert names(seen.last) == ["layer", ""]
    assert seen.last.training
    torch.testing.assert_close(seen.last.layers[1].mean, out.detach().mean(0))
    assert seen.last.layers[1].gradient == 1


def test_two_observations_at_once():
    """Of one model and of another, left in the order in which they were entered."""
    model, other = small_net(), small_net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    first, second, third = observe(model, optimizer=optimizer), observe(model, every=2), observe(other)
    for one in (first, second, third):
        one.__enter__()
    for _ in range(3):
        step(model, optimizer, data())
        optimizer.step()
    first.__exit__()
    step(model, optimizer, data())
    second.__exit__()
    other(data())
    third.__exit__()
    assert [[record.step for record in one.steps] for one in (first, second, third)] == [
        [0, 1, 2],
        [0, 2],
        [0],
    ]
    torch.testing.assert_close(second.steps[1].gradients[0].norm, first.steps[2].gradients[0].norm)
    assert_no_trace(model, optimizer)
    assert_no_trace(other)


def test_a_model_that_goes_to_another_process():
    """As multiprocessing sends it."""
    model = small_net()
    with observe(model) as seen:
        model(data()).sum().backward()
        there = ForkingPickler.loads(ForkingPickler.dumps(model))
        there(data())
        assert_no_hook(there)
    assert [record.step for record in seen.steps] == [0]


def test_what_an_optimizer_in_backward_has_used_is_no_gradient_any_more():
    model = small_net()
    optimizers = {p: torch.optim.SGD([p], lr=0.1) for p in model[0].parameters()}

    def step(parameter):
        optimizers[parameter].step()
        optimizers[parameter].zero_grad()

    for parameter in optimizers:
        parameter.register_post_accumulate_grad_hook(step)
    with observe(model) as seen:
        model(data()).sum().backward()
    assert [gradient.name for gradient in seen.last.gradients] == ["2", "4"]
    assert seen.last.layers[0].gradient > 0


def test_outputs_that_are_no_tensors_leave_gradients():
    class Gaussian(nn.Module):
        def __init__(self):
            super().__init__()
            self.mean = nn.Parameter(torch.ones(3))

        def forward(self):
            return torch.distributions.Normal(self.mean, 1.0)

    optimizer = torch.optim.SGD((model := Gaussian()).parameters(), lr=0.1)
    with observe(model, optimizer=optimizer) as seen:
        for _ in range(2):
            optimizer.zero_grad()
            (-model().log_prob(torch.zeros(3))).sum().backward()
            optimizer.step()
    assert [record.layers for record in seen.steps] == [[], []]
    torch.testing.assert_close(seen.steps[0].gradients[0].norm.item(), 3**0.5)
