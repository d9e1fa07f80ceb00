"""Whole training programs inside `observe`: the same bits as without it, records that are right, no trace."""

import copy
import io
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint

from tests.diagnostics.nets import assert_no_hook, assert_no_trace
from unitgain.diagnostics import LayerSignal, Observation, StepRecord, activity, effective_rank, observe

STEPS = 4


class Program(NamedTuple):
    """A model, its optimizer, and `batch(k)`, which returns the loss of batch k after backward."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batch: Callable[[int], torch.Tensor]
    evaluate: Callable[[], torch.Tensor] | None = None
    scaler: torch.amp.GradScaler | None = None
    activations: tuple[type[nn.Module], ...] = ()


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 6, 3)
        self.norm, self.fc = nn.BatchNorm2d(4), nn.Linear(6 * 4, 3)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.norm(self.conv1(x)), inplace=True), 2)
        x = functional.relu_(functional.dropout2d(self.conv2(x), 0.2, self.training))
        return self.fc(x.flatten(1))


def images(k: int) -> torch.Tensor:
    return torch.randn(5, 1, 10, 10, generator=torch.Generator().manual_seed(k))


def trained(model: nn.Module, inputs: Callable[[int], object]) -> Callable[[int], torch.Tensor]:
    def batch(k: int) -> torch.Tensor:
        loss = model(inputs(k)).square().mean()
        loss.backward()
        return loss

    return batch


def evaluated(model: nn.Module, *x: object) -> Callable[[], torch.Tensor]:
    def evaluate() -> torch.Tensor:
        model.eval()
        with torch.no_grad():
            out = model(*x)
        model.train()
        return out

    return evaluate


def convolutional() -> Program:
    model = Convolutional()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    return Program(model, optimizer, trained(model, images), evaluated(model, images(99)))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x):
        packed = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
        out, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.head(out[torch.arange(3), LENGTHS - 1])


LENGTHS = torch.tensor([2, 4, 3])


def sequences(k: int) -> torch.Tensor:
    return torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(k))


def recurrent() -> Program:
    model = Recurrent()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01)
    return Program(model, optimizer, trained(model, sequences), evaluated(model, sequences(99)))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.1, batch_first=True, activation=nn.GELU())
        self.embed = nn.Embedding(9, 8)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=True)
        self.head = nn.Linear(8, 2)

    def forward(self, words):
        padding = torch.arange(4) >= LENGTHS[:, None]
        h = self.encoder(self.embed(words), src_key_padding_mask=padding)
        return self.head(h.masked_fill(padding[..., None], 0).mean(1))


def words(k: int) -> torch.Tensor:
    return torch.randint(9, (3, 4), generator=torch.Generator().manual_seed(k))


def encoder() -> Program:
    model = Encoder()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    return Program(model, optimizer, trained(model, words), evaluated(model, words(99)))


class Snake(nn.Module):
    """x + sin²(a x) / a, a unit's own a."""

    def __init__(self, shape):
        super().__init__()
        self.a = nn.Parameter(torch.linspace(0.5, 2, shape[0]).view(shape))

    def forward(self, x):
        return x + (self.a * x).sin().square() / self.a


class Swish(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Sigmoid()

    def forward(self, x):
        return x * self.gate(x)


def own_activations() -> Program:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), Snake((4, 1, 1)), nn.Flatten(), nn.Linear(256, 6), Swish(), nn.Linear(6, 2)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    return Program(model, optimizer, trained(model, images), activations=(Snake, Swish))


def dense(*between: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(100, 8), nn.Tanh(), *between, nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)
    )


def scaled() -> Program:
    """Mixed precision with the loss scaled, gradients unscaled and clipped."""
    model = dense()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=2)

    def batch(k: int) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(images(k)).square().mean()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        return loss

    return Program(model, optimizer, batch, scaler=scaler)


class Checkpointed(nn.Module):
    def __init__(self, reentrant):
        super().__init__()
        self.reentrant = reentrant
        self.first, self.act, self.second = nn.Linear(100, 8), nn.Tanh(), nn.Linear(8, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.again(self.second, self.again(self.first, x.flatten(1))))

    def again(self, layer, h):
        if not torch.is_grad_enabled():
            return self.act(layer(h))
        return checkpoint(lambda h: self.act(layer(h)), h, use_reentrant=self.reentrant)


def checkpointed(reentrant: bool, whole: bool) -> Program:
    model = dense() if whole else Checkpointed(reentrant)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def batch(k: int) -> torch.Tensor:
        x = images(k).requires_grad_()  # a reentrant checkpoint wants that
        out = checkpoint(model, x, use_reentrant=reentrant) if whole else model(x)
        loss = out.square().mean()
        loss.backward()
        return loss

    return Program(model, optimizer, batch, evaluated(model, images(99)))


def keeping_the_best() -> Program:
    """Copies of the model in memory and in a file, a running average, and the state of the best."""
    model = dense(nn.BatchNorm1d(8))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    average = torch.optim.swa_utils.AveragedModel(model)

    def batch(k: int) -> torch.Tensor:
        loss = model(images(k)).square().mean()
        best = copy.deepcopy(model)
        torch.save(model, file := io.BytesIO())
        file.seek(0)
        for one in (best, torch.load(file, weights_only=False), average):
            assert_no_hook(one)
            one(images(k)).sum().backward()
        average.update_parameters(model)
        loss.backward()
        model.load_state_dict(best.state_dict())
        return loss

    return Program(model, optimizer, batch)


PROGRAMS = {
    "convolutional": convolutional,
    "recurrent": recurrent,
    "encoder": encoder,
    "own activations": own_activations,
    "scaled": scaled,
    "keeping the best": keeping_the_best,
    **{
        f"checkpointed, reentrant={reentrant}, whole={whole}": lambda r=reentrant, w=whole: checkpointed(r, w)
        for reentrant in (True, False)
        for whole in (True, False)
    },
}


class Run(NamedTuple):
    bits: list[torch.Tensor]
    norms: list[dict[str, float]]  # by step and layer
    seen: Observation | None


def run(name: str, watch: dict | None) -> Run:
    torch.manual_seed(0)
    program = PROGRAMS[name]()
    model, optimizer, scaler = program.model, program.optimizer, program.scaler
    losses, norms = [], []
    watch = watch and watch | {"optimizer": optimizer, "activations": program.activations}
    with observe(model, **watch) if watch else nullcontext() as seen:
        for k in range(STEPS):
            optimizer.zero_grad()
            losses.append(program.batch(k).detach())
            norms.append(gradient_norms(model))
            nn.utils.clip_grad_norm_(model.parameters(), 0.01)
            if scaler is None:
                optimizer.step()
            else:
                scaler.step(optimizer)
                scaler.update()
            if program.evaluate is not None:
                losses.append(program.evaluate())
    assert_no_trace(model, optimizer)
    state = [value for one in optimizer.state.values() for value in one.values() if value is not None]
    gradients = [parameter.grad for parameter in model.parameters()]
    return Run([*losses, *model.state_dict().values(), *gradients, *state, torch.rand(3)], norms, seen)


def gradient_norms(model: nn.Module) -> dict[str, float]:
    """Of each module's own parameters."""
    own = {name: list(module.parameters(recurse=False)) for name, module in model.named_modules()}
    return {
        name: torch.cat([p.grad.flatten() for p in parameters]).norm().item()
        for name, parameters in own.items()
        if parameters
    }


nested = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")


@nested
@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("name", PROGRAMS)
def test_same_bits_right_gradients_and_no_trace(name, every):
    plain, watched = run(name, None), run(name, {"every": every})
    assert len(plain.bits) == len(watched.bits)
    assert all(map(torch.equal, plain.bits, watched.bits))
    records = watched.seen.steps
    assert [record.step for record in records] == list(range(0, STEPS, every))
    for record in records:
        assert {row.name: row.norm.item() for row in record.gradients} == pytest.approx(
            watched.norms[record.step], rel=1e-5
        )
        assert all(signal.gradient > 0 for signal in record.layers)
        assert len({signal.name for signal in record.layers}) == len(record.layers)
    assert watched.seen.last.training
    assert watched.seen.last.ratios.isfinite().all()
    assert {row["step"] for row in watched.seen.table()} == set(range(0, STEPS, every))


# What the records say


def names(record: StepRecord) -> list[str]:
    return [signal.name for signal in record.layers]


def signal(record: StepRecord, name: str) -> LayerSignal:
    return next(one for one in record.layers if one.name == name)


@nested
def test_a_program_s_layers_and_evaluations():
    """Functions leave no row; each evaluation has a record, with the steps before it."""
    seen = run("convolutional", {"every": 1}).seen
    assert names(seen.last) == names(seen.evaluations[-1]) == ["conv1", "norm", "conv2", "fc"]
    assert [record.step for record in seen.evaluations] == [1, 2, 3, 4]
    assert not any(record.training or record.gradients for record in seen.evaluations)
    assert {row["step"] for row in seen.table(seen.evaluations)} == {1, 2, 3, 4}
    assert run("keeping the best", {"every": 1}).seen.evaluations == []
    own = run("own activations", {"every": 1}).seen
    assert names(own.last) == ["0", "1", "3", "4.gate", "4", "5"]
    for reentrant in (True, False):
        seen = run(f"checkpointed, reentrant={reentrant}, whole=False", {"every": 1}).seen
        assert names(seen.last) == ["first", "act", "second", "act#2", "head"]
        seen = run(f"checkpointed, reentrant={reentrant}, whole=True", {"every": 1}).seen
        assert names(seen.last) == ["1", "2", "3", "4", "5"]
        assert [record.step for record in seen.evaluations] == [1, 2, 3, 4]


def test_padding_of_a_packed_sequence_is_no_data():
    model, x = Recurrent(), sequences(0)
    with observe(model) as seen:
        model(x).sum().backward()
    real = torch.cat([model.lstm(row[:n])[0] for row, n in zip(x, LENGTHS, strict=True)]).detach()
    assert real.shape == (9, 5)
    row = signal(seen.last, "lstm")
    torch.testing.assert_close(row.mean, real.mean(0))
    torch.testing.assert_close(row.share, (real > 0).float().mean(0))
    torch.testing.assert_close(row.rank, effective_rank(real))


@nested
def test_padding_is_no_data_where_torch_nests_it():
    """In eval mode torch runs an encoder layer as one function, on sequences of their own lengths."""
    model = Encoder().eval()
    with observe(model) as seen, torch.no_grad():
        model(words(0))
    assert names(seen.last) == ["embed", "encoder.layers.0", "encoder.layers.1", "head"]
    h = model.embed(words(0))
    rows = [model.encoder.layers[0](one[:n]) for one, n in zip(h, LENGTHS, strict=True)]
    torch.testing.assert_close(signal(seen.last, "encoder.layers.0").mean, torch.cat(rows).mean(0).detach())


@nested
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_nested_tensors(layout):
    """As the sequences one after another; the gradient too, and in `activity`."""
    parts = [sequences(k)[0, :n] for k, n in enumerate(LENGTHS)]
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU())
    x = torch.nested.as_nested_tensor(parts, layout=layout)
    with observe(model) as seen:
        sum(part.square().sum() for part in model(x).unbind()).backward()
    with observe(model) as flat:
        model(torch.cat(parts)).square().sum().backward()
    for ours, theirs in zip(seen.last.layers, flat.last.layers, strict=True):
        for measure in ("mean", "std", "share", "gradient", "rank"):
            torch.testing.assert_close(getattr(ours, measure), getattr(theirs, measure))
    assert torch.equal(activity(model, x)[0].count, activity(model, torch.cat(parts))[0].count)


def test_activations_of_one_s_own():
    """Saturated where the derivative says so, the slopes of images' channels included."""
    model = own_activations().model
    with observe(model, activations=[Snake, Swish]) as seen:
        model(images(0))
    z = model[0](images(0)).movedim(1, -1).flatten(0, -2).detach()
    a = model[1].a.detach().flatten()
    slope, grid = 1 + (2 * a * z).sin(), torch.linspace(-8, 8, 4097)[:, None]
    peak = (1 + (2 * a * grid).sin()).amax(0)
    assert [one.name for one in seen.last.layers if one.is_activation] == ["1", "4.gate", "4"]
    snake = signal(seen.last, "1")
    assert torch.equal(snake.saturation, (slope < 0.05 * peak).float().mean(0))
    assert 0 < snake.saturation.min() < snake.saturation.max() < 1
    torch.testing.assert_close(snake.share, (z > 0).float().mean(0))
    rows = activity(model, images(0), activations=(Snake, Swish))
    assert [row.name for row in rows] == ["1", "4", "4.gate"]
    assert torch.equal(rows[0].share, snake.share)
    assert all(module.training for module in model.modules())


def test_gradients_of_checkpointed_layers_are_those_of_the_others():
    signals = []
    for reentrant in (None, True, False):
        torch.manual_seed(0)
        model = Checkpointed(reentrant)
        if reentrant is None:
            model.again = lambda layer, h, model=model: model.act(layer(h))
        with observe(model) as seen:
            model(images(0).requires_grad_()).square().mean().backward()
        signals.append([(one.name, one.gradient) for one in seen.last.layers])
    assert signals[0] == signals[1] == signals[2]


def test_a_layer_checkpointed_again_and_again():
    """Segments run again from the last to the first, each in its own order."""

    class Loop(nn.Module):
        def __init__(self, again):
            super().__init__()
            self.layer, self.again = nn.Linear(4, 4), again

        def forward(self, x):
            for _ in range(3):
                x = self.again(lambda x: self.layer(self.layer(x)), x)
            return x

    rows = []
    for again in (lambda f, x: f(x), partial(checkpoint, use_reentrant=True)):
        torch.manual_seed(0)
        with observe(model := Loop(again)) as seen:
            model(torch.ones(2, 4, requires_grad=True)).square().sum().backward()
        rows.append([(one.name, one.gradient) for one in seen.last.layers])
    assert [name for name, _ in rows[0]] == ["layer", *(f"layer#{k}" for k in range(2, 7))]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("with_optimizer", [True, False])
def test_a_scaled_loss_is_measured_unscaled(with_optimizer):
    rows = []
    for scale in (1.0, 1024.0):
        torch.manual_seed(0)
        model = dense()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=1)
        with observe(model, optimizer=optimizer if with_optimizer else None) as seen:
            for k in range(3):
                optimizer.zero_grad()
                scaler.scale(model(images(k)).square().mean()).backward()
                scaler.step(optimizer)
                scaler.update()
            functional.mse_loss(model(images(9)), torch.zeros(5, 2)).backward()  # not scaled
            rows.append([record.ratios.tolist() for record in seen.steps])
            found = [seen.steps[2], seen.last]
        rows[-1] += [one.gradient.item() for record in found for one in record.layers]
        rows[-1] += [one.norm.item() for record in found for one in record.gradients]
    assert rows[0][:4] == rows[1][:4]
    assert rows[1][4:] == pytest.approx(rows[0][4:], rel=1e-6)


def test_a_step_that_the_scaler_skips_is_none():
    model = dense()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    with observe(model, optimizer=optimizer) as seen:
        for k in range(4):
            optimizer.zero_grad()
            loss = model(images(k)).square().mean()
            scaler.scale(loss * torch.inf if k == 1 else loss).backward()
            if k == 1:
                assert all(row.non_finite > 0 for row in seen.last.gradients)
            scaler.step(optimizer)
            scaler.update()
    assert [record.step for record in seen.steps] == [0, 1, 2]
    assert not any(row.non_finite for record in seen.steps for row in record.gradients)


# Training and evaluation


@contextmanager
def in_eval_mode(model: nn.Module):
    model.eval()
    yield
    model.train()


EVALUATIONS = {
    "no_grad": lambda model: torch.no_grad(),
    "inference_mode": lambda model: torch.inference_mode(),
    "eval mode": in_eval_mode,
}


@pytest.mark.parametrize("how", EVALUATIONS)
@pytest.mark.parametrize("with_optimizer", [True, False])
@pytest.mark.parametrize("every", [1, 2])
def test_evaluations_are_told_from_steps(how, with_optimizer, every):
    """Before a step, and between its forward and its backward."""
    model = dense()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with observe(model, every=every, optimizer=optimizer if with_optimizer else None) as seen:
        for k in range(4):
            with EVALUATIONS[how](model):
                model(images(50))
            loss = model(images(k)).square().mean()
            with EVALUATIONS[how](model):
                model(images(50) + 100)
            optimizer.zero_grad()
            loss.backward()
            rank = seen.last.layers[0].rank
            optimizer.step()
    assert [record.step for record in seen.steps] == list(range(0, 4, every))
    between = 0 if with_optimizer else 1  # how many steps are begun by forward
    taken = [step for k in range(4) for step in (k, k + between)]
    assert [record.step for record in seen.evaluations] == taken[::every]
    last = seen.steps[-1]
    assert last.training
    assert [one.name for one in last.gradients] == ["1", "3", "5"]
    assert all(one.gradient is not None for one in last.layers)
    assert rank.isfinite()
    assert not any(record.gradients for record in seen.evaluations)


@pytest.mark.parametrize("with_optimizer", [True, False])
@pytest.mark.parametrize("every", [1, 2])
def test_training_in_eval_mode_is_training(with_optimizer, every):
    model = dense().eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with observe(model, every=every, optimizer=optimizer if with_optimizer else None) as seen:
        for k in range(4):
            optimizer.zero_grad()
            model(images(k)).square().mean().backward()
            norms = gradient_norms(model)
            if k == 2:
                assert {one.name: one.norm.item() for one in seen.last.gradients} == pytest.approx(norms)
                assert seen.last.layers[0].rank.isfinite()
            optimizer.step()
            with torch.no_grad():
                model(images(50))
    assert [record.step for record in seen.steps] == list(range(0, 4, every))
    assert [record.step for record in seen.evaluations] == list(range(1, 5))[::every]
    assert all(record.training and len(record.gradients) == 3 for record in seen.steps)


def test_where_nothing_trains_the_last_evaluation_is_the_last_record():
    model = dense()
    with observe(model) as seen, torch.no_grad():
        model(images(0))
    assert names(seen.last) == names(seen.evaluations[0])
    assert seen.steps == []
    assert len(seen.table()) == 5
    assert seen.last.ratios.shape == (0,)


# What cannot be watched


def compiled_part() -> nn.Module:
    model = dense()
    model[1].compile(backend="eager")
    return model


class CompiledForward(nn.Linear):
    forward = torch.compile(nn.Linear.forward, backend="eager")


@pytest.mark.parametrize(
    ("model", "part"),
    [
        (lambda: torch.compile(dense(), backend="eager"), "the model"),
        (lambda: dense(torch.compile(nn.Linear(8, 8), backend="eager")), "'3'"),
        (compiled_part, "'1'"),
        (lambda: dense(CompiledForward(8, 8)), "'3'"),
    ],
)
def test_what_is_compiled_is_refused_by_name(model, part):
    model = model()
    match = f"model must run module by module, in one piece, got {part} compiled by torch.compile"
    with pytest.raises(ValueError, match=f"observe: {match}"):
        observe(model)
    with pytest.raises(ValueError, match=f"activity: {match}"):
        activity(model, images(0))
    seen = observe(model := dense())
    model.compile(backend="eager")
    with pytest.raises(ValueError, match="got the model compiled"), seen:
        pass
    del model._compiled_call_impl
    assert_no_trace(model)
