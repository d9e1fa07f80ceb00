"""The user's own step, watched: what arrives at the optimizer, and in which mode the model runs."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .program import Program
from .report import Finding

__all__ = ["loop_facts"]

WATCHED = 6  # steps
MARK = 1e30  # put into the gradients after a step: still there at the next, nobody has set them to zero
TIGHT = 0.1  # of the gradient, left by clipping


@dataclass
class Seen:
    """Of a few steps."""

    steps: int = 0
    stale: int = 0
    empty: int = 0
    kept: list[float] = field(default_factory=list)  # gradient that arrives / gradient of the batch
    evaluating: int = 0
    forwards: int = 0
    norms: list[float] = field(default_factory=list)


def loop_facts(program: Program) -> list[Finding]:
    """Run some steps and look. The program's model and optimizer are changed: pass a copy."""
    seen, batch_now = Seen(), [program.batches[0]]
    normalizing = [m for m in program.model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    handles = [
        program.optimizer.register_step_pre_hook(lambda *_: _before(program, batch_now[0], seen)),
        program.optimizer.register_step_post_hook(lambda *_: _after(program)),
        program.model.register_forward_pre_hook(lambda module, _: _mode(module, normalizing, seen)),
    ]
    before = [p.detach().clone() for p in program.model.parameters()]
    error = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for k in range(WATCHED):
                batch_now[0] = program.batches[k % len(program.batches)]
                program.run(batch_now[0])
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    finally:
        for handle in handles:
            handle.remove()
    moved = any(not torch.equal(p, b) for p, b in zip(program.model.parameters(), before, strict=True))
    return _findings(seen, moved, error, normalizing)


def _mode(module: nn.Module, normalizing: list[Any], seen: Seen) -> None:
    if torch.is_grad_enabled() and not seen_inside(seen):
        seen.forwards += 1
        seen.evaluating += any(not norm.training for norm in normalizing)


def seen_inside(seen: Seen) -> bool:
    """Whether this forward pass is one of ours."""
    return bool(getattr(seen, "asking", False))


def _before(program: Program, batch: Any, seen: Seen) -> None:
    seen.steps += 1
    arriving = [p.grad for p in program.parameters if p.grad is not None]
    largest = max((float(g.abs().max()) for g in arriving if g.numel()), default=0.0)
    if not largest < MARK / 1e3:
        seen.stale += 1
        return
    if largest == 0:
        seen.empty += 1
        return
    own = _gradient(program, batch, seen)
    if own is not None and own > 0:
        norm = float(torch.stack([g.detach().double().norm() for g in arriving]).norm())
        seen.kept.append(norm / own)
        seen.norms.append(own)


def _gradient(program: Program, batch: Any, seen: Seen) -> float | None:
    """The norm of the gradient that a step on this batch should see."""
    seen.asking = True  # type: ignore[attr-defined]
    buffers = [(b, b.clone()) for b in program.model.buffers()]
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            loss = program.loss_of(batch)
            wanted = [p for p in program.parameters if p.requires_grad]
            grads = torch.autograd.grad(loss, wanted, allow_unused=True)
        return float(torch.stack([g.double().norm() for g in grads if g is not None]).norm())
    except Exception:
        return None
    finally:
        seen.asking = False  # type: ignore[attr-defined]
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)


@torch.no_grad()
def _after(program: Program) -> None:
    for p in program.parameters:
        if isinstance(p.grad, Tensor):
            p.grad.fill_(MARK)


def _findings(seen: Seen, moved: bool, error: str, normalizing: list[Any]) -> list[Finding]:
    found = []
    if error and not seen.steps:
        from .model_facts import error_finding

        return [error_finding(error)]
    if not seen.steps and not moved:
        found.append(
            Finding(
                "no-step", f"{WATCHED} times the step was run, the optimizer never; no parameter changed."
            )
        )
    elif seen.steps and seen.empty == seen.steps:
        found.append(
            Finding(
                "no-step", f"at each of {seen.steps} steps of the optimizer all gradients were 0 or missing."
            )
        )
    elif seen.stale and seen.stale >= seen.steps - 1:
        found.append(
            Finding(
                "gradients-not-zeroed",
                f"{seen.stale} of {seen.steps} steps began with the gradients of the last; 0 should.",
            )
        )
    elif len(seen.kept) >= 2 and sorted(seen.kept)[len(seen.kept) // 2] < TIGHT:
        kept = sorted(seen.kept)[len(seen.kept) // 2]
        norm = sorted(seen.norms)[len(seen.norms) // 2]
        found.append(
            Finding(
                "clipping-tight",
                f"of a gradient of norm {norm:.2g}, {kept:.1e} of it arrives at the optimizer; 1 should.",
            )
        )
    if normalizing and seen.forwards and seen.evaluating == seen.forwards:
        found.append(
            Finding(
                "batchnorm-mode",
                f"{seen.evaluating} of {seen.forwards} training passes ran in evaluation mode.",
            )
        )
    return found
