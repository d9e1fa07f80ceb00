"""What is measured of one tensor, each a pure function: of outputs, gradients and updates.

The second part is what every measured step needs: written for speed, and none of it waits for an accelerator.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

__all__ = [
    "SATURATED_BELOW",
    "Counts",
    "active",
    "are_far",
    "correlation",
    "effective_rank",
    "gradient_counts",
    "joint_norm",
    "moments",
    "norm",
    "quick_moments",
    "saturated_share",
    "saturation",
    "workspace",
]


def _rows(function: str, h: Tensor) -> Tensor:
    """The outputs in the precision in which they are measured; MPS has no float64."""
    if h.ndim < 2:
        raise ValueError(f"{function}: outputs must have shape (…, n, units), got {tuple(h.shape)}")
    return h.detach().to(torch.float32 if h.device.type == "mps" else torch.float64)


@torch.no_grad()
def correlation(outputs: Tensor) -> Tensor:
    r"""How much the units of a layer say the same: the mean absolute correlation between two of them.

    $$\frac{1}{m(m-1)} \sum_{i \ne j} |\rho_{ij}|$$

    with ρᵢⱼ Pearson's correlation of units i and j over the examples, and m the number of units that vary.

    Args:
        outputs: What the units gave, `(…, n, units)`: n examples.

    Returns:
        `(…,)`, in [0, 1], float64: 0 for units that know nothing of each other, 1 for copies, whatever their
        signs and scales. Constant units (dead ones, say) are left out; NaN where fewer than two vary.

    Raises:
        ValueError: For a tensor of fewer than two dimensions.

    Examples:
        >>> import torch
        >>> from unitgain.diagnostics import correlation
        >>> a, b = torch.tensor([1.0, -1.0, 1.0, -1.0]), torch.tensor([1.0, 1.0, -1.0, -1.0])
        >>> correlation(torch.stack([a, b], dim=-1)).item()
        0.0
        >>> correlation(torch.stack([a, -3 * a], dim=-1)).item()
        1.0

    Differs from torch.corrcoef: variables are columns, not rows, and the result is one number.

    Source: Cogswell et al., *Reducing overfitting in deep networks by decorrelating representations* (2016).
    """
    h = _rows("correlation", outputs)
    h = h - h[..., :1, :]  # a constant unit is then 0 to the bit
    h = h - h.mean(-2, keepdim=True)
    size = torch.linalg.vector_norm(h, dim=-2, keepdim=True)
    h = torch.where(size == 0, 0.0, h / size)
    m = (size != 0).sum((-2, -1))
    rho = (h.mT @ h).abs()
    return (rho.sum((-2, -1)) - rho.diagonal(dim1=-2, dim2=-1).sum(-1)).clamp(min=0) / torch.where(
        m > 1, m * (m - 1), torch.nan
    )


@torch.no_grad()
def effective_rank(outputs: Tensor) -> Tensor:
    r"""How many directions a layer's outputs fill: the effective rank, a rank without a threshold.

    $$\exp\Bigl(-\sum_k p_k \ln p_k\Bigr), \qquad p_k = \sigma_k \Big/ \sum_j \sigma_j$$

    with σₖ the singular values of `outputs` as they are, not centred: when all examples come out alike, the
    rank falls to 1.

    Args:
        outputs: What the units gave, `(…, n, units)`: n examples.

    Returns:
        `(…,)`, float64: from 1 (every example a multiple of one vector) to min(n, units) (all directions
        equally strong); r where r singular values are equal and the rest 0. 0 where all outputs are 0, NaN
        where one is not finite.

    Raises:
        ValueError: For a tensor of fewer than two dimensions.

    Examples:
        >>> import torch
        >>> from unitgain.diagnostics import effective_rank
        >>> ranks = effective_rank(torch.eye(5, 3)), effective_rank(torch.ones(5, 3))
        >>> [round(rank.item(), 6) for rank in ranks]
        [3.0, 1.0]

    Differs from torch.linalg.matrix_rank: that counts the singular values above a tolerance, however small.

    Source: Roy & Vetterli, *The effective rank: a measure of effective dimensionality* (2007).
    """
    h = _rows("effective_rank", outputs)
    finite = h.isfinite().all(-1).all(-1)
    s = torch.linalg.svdvals(torch.where(finite[..., None, None], h, 0.0))
    total = s.sum(-1)
    p = s / total.unsqueeze(-1)
    rank = torch.special.entr(p).sum(-1).exp()
    return torch.where(finite, torch.where(total == 0, 0.0, rank), torch.nan)


SATURATED_BELOW = 0.05  # of the derivative's peak; tanh: |a| > 0.975, sigmoid: a outside [0.013, 0.987]


def _slope(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """|f'(z)| of an elementwise function."""
    with torch.inference_mode(False), torch.enable_grad():
        z = z.detach().clone().requires_grad_()
        y = f(z + 0)  # f may work in place
        if not y.requires_grad:  # a constant, as a step is
            return torch.zeros_like(z)
        return torch.autograd.grad(y.sum(), z)[0].abs()


def saturation(f: Callable[[Tensor], Tensor], z: Tensor, fraction: float = SATURATED_BELOW) -> Tensor:
    r"""The fraction of examples on which each unit is saturated: its activation passes hardly any gradient.

    $$|f'(z)| < \varphi \max_u |f'(u)|$$

    with φ `fraction`. By the derivative and not by |f(z)| ≈ 1, the same rule serves every activation: tanh
    saturates on both sides, ReLU where it is off, leaky ReLU there too if its slope is below φ.

    Args:
        f: An elementwise function, or a module that applies one; a module answers in eval mode, hooks are not
            called.
        z: Pre-activations, `(…, n, units)`: n examples.
        fraction: φ, in (0, 1).

    Returns:
        `(…, units)`, in [0, 1]. The peak of |f'| is its largest value at -8, -8 + 1/256, …, 8.

    Raises:
        ValueError: For a fraction outside (0, 1), or a tensor of fewer than two dimensions.

    Examples:
        >>> import torch
        >>> from unitgain.diagnostics import saturation
        >>> z = torch.tensor([[0.0, 3.0], [-4.0, 5.0]])
        >>> saturation(torch.tanh, z), saturation(torch.relu, z)
        (tensor([0.5000, 1.0000]), tensor([1., 0.]))

    Source: Glorot & Bengio, *Understanding the difficulty of training deep feedforward neural networks*
    (2010), section 3.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"saturation: fraction must be above 0 and below 1, got {fraction}")
    if z.ndim < 2:
        raise ValueError(f"saturation: z must have shape (…, n, units), got {tuple(z.shape)}")
    return saturated_share(f, z, fraction)


@torch.inference_mode(False)
def saturated_share(f: Callable[[Tensor], Tensor], z: Tensor, fraction: float, behind: int = 0) -> Tensor:
    """`saturation`, of a module that takes its units with `behind` dimensions behind them, as images do."""
    points = torch.linspace(-8, 8, 4097, device=z.device, dtype=z.dtype).unsqueeze(-1)
    if isinstance(f, nn.Module):
        if next(f.parameters(), None) is not None:  # PReLU: slopes, and so peaks, of every unit's own
            points = points.expand(*z.shape[:-2], -1, z.shape[-1])
        f = _on_rows(f, behind)
    peak = _slope(f, points).amax(-2, keepdim=True)
    return (_slope(f, z) < fraction * peak).sum(-2) / z.shape[-2]


def _on_rows(module: nn.Module, behind: int) -> Callable[[Tensor], Tensor]:
    """What a copy of `module` does in eval mode, as a function of rows `(…, n, units)`."""
    forward = copy.deepcopy(module).eval().forward  # of a copy: `eval` reaches into modules within it
    if getattr(module, "examples_dim", -2) == -1:
        return lambda t: forward(t.mT).mT
    return lambda t: forward(t.reshape(*t.shape, *(1,) * behind)).reshape(t.shape)


# At every measured step

FAR = 1e5  # squared mean over variance
Moments = tuple[Tensor, Tensor]  # mean and variance
Counts = tuple[Tensor, Tensor, Tensor | int, int]  # of a gradient: norm, zeros, non-finite entries, entries


def wide(dtype: torch.dtype) -> torch.dtype:
    """The dtype of sums: half precision counts to 256 only."""
    return dtype if dtype == torch.float64 else torch.float32


def workspace(memory: dict[torch.dtype, Tensor], like: Tensor) -> Tensor:
    """A tensor to work in: for large ones on the CPU always the same, as fresh pages cost most."""
    dtype = wide(like.dtype)
    if like.numel() < 2**12 or like.device.type != "cpu":
        return torch.empty_like(like, dtype=dtype)
    if dtype not in memory:
        memory[dtype] = torch.empty(0, dtype=dtype)
    return memory[dtype].resize_(like.shape)  # its storage grows and never shrinks


def active(z: Tensor, data: tuple[int, ...], work: Tensor) -> Tensor:
    """Number of positive entries; floats are summed four times faster than booleans."""
    return torch.gt(z, 0, out=work).sum(data)


def moments(z: Tensor, data: tuple[int, ...], work: Tensor) -> Moments:
    """Mean and variance, from the mean itself: exact far from 0."""
    mean = z.mean(data, keepdim=True, dtype=work.dtype)
    variance = torch.sub(z, mean, out=work).square_().mean(data)
    return mean.view(variance.shape), variance


def quick_moments(z: Tensor) -> Moments | None:
    """Mean and variance of rows `(n, units)` by batch normalization's kernel, in a third of the time.

    It sums one by one, too coarse over many rows, and far from 0: see `are_far`. None for what it is not for.
    """
    if z.ndim == 2 and len(z) <= 2048 and z.device.type == "cpu" and z.dtype == wide(z.dtype):
        return torch.batch_norm_update_stats(z, None, None, 0.0)
    return None


def are_far(found: Sequence[Moments]) -> bool:
    """Whether some unit is so far from 0 that `quick_moments` are too coarse."""
    means, variances = (torch.cat(parts) for parts in zip(*found, strict=True))
    return bool((means.square() > FAR * variances).any())


def norm(t: Tensor, dims: tuple[int, ...] | None) -> Tensor:
    """Euclidean norm over `dims`, over all if None."""
    return torch.linalg.vector_norm(t, dim=dims, dtype=wide(t.dtype))


def joint_norm(norms: Sequence[Tensor]) -> Tensor:
    """The norm of several vectors' concatenation."""
    return torch.linalg.vector_norm(torch.stack(tuple(norms)), dim=0)


def gradient_counts(g: Tensor, dims: tuple[int, ...] | None, work: Tensor) -> Counts:
    """Norm, number of zeros, number of non-finite entries over `dims`, and of how many entries."""
    length, over = norm(g, dims), tuple(range(g.ndim)) if dims is None else dims
    zeros = torch.eq(g, 0, out=work).sum(over)
    non_finite: Tensor | int = 0
    if g.device.type != "cpu" or not math.isfinite(length.sum() if dims else length):  # asking would wait
        non_finite = torch.mul(g, 0, out=work).ne_(0).sum(over)  # 0 · inf is NaN
    return length, zeros, non_finite, g.numel() // max(zeros.numel(), 1)
