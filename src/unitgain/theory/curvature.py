"""What the inputs do to the curvature of the loss, and to the learning rate."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .arguments import Number, as_numbers, check_order


def _squared_singular_values(x: Tensor, count: int) -> Tensor:
    """Those of x, ascending and divided by count; what rounding alone would leave is 0."""
    s = torch.linalg.svdvals(x)
    s = s.where(s > s[..., :1] * max(x.shape[-2:]) * torch.finfo(s.dtype).eps, 0)
    missing = torch.zeros_like(x[..., 0, :])[..., s.shape[-1] :]
    return torch.cat([missing, s.square().flip(-1) / count], dim=-1)


def hessian_eigenvalues(x: Tensor, *, bias: bool = False) -> Tensor:
    r"""The curvature that inputs give the squared error of one linear unit: eigenvalues of its Hessian.

    $$H = \frac{1}{n} \sum_{k=1}^n x_k x_k^\top$$

    is the Hessian of $\frac{1}{2n} \sum_k (w^\top x_k - y_k)^2$, `unitgain.training.squared_error`, at any w
    and for any targets. For a first layer of a deeper network it is one factor of the Hessian, not all of it.

    Args:
        x: Inputs, `(…, n, d)`, finite. They are not centred: offset is what this is about.
        bias: Whether the unit has a bias: a further input that is always 1.

    Returns:
        The eigenvalues, `(…, d)` or, with a bias, `(…, d + 1)`, float64, ascending. An eigenvalue below
        rounding is 0.

    Raises:
        ValueError: For inputs of another shape or not finite.

    Examples:
        >>> import torch
        >>> from unitgain.theory import condition_number, hessian_eigenvalues
        >>> x = 8 + 2 * torch.rand(100_000, 2, generator=torch.Generator().manual_seed(0))
        >>> curvature = hessian_eigenvalues(x)
        >>> round(condition_number(curvature).item(), -1)
        490.0

    Differs from numpy.linalg.cond, which is of x: the Hessian's condition number is its square.

    Source: LeCun, Bottou, Orr & Müller, *Efficient BackProp* (1998), section 5.3.
    """
    if x.ndim < 2 or 0 in x.shape:
        raise ValueError(f"hessian_eigenvalues: x must have shape (…, n, d), not empty, got {tuple(x.shape)}")
    (x,) = as_numbers("hessian_eigenvalues", x=x)
    if bias:
        x = torch.cat([x, torch.ones_like(x[..., :1])], dim=-1)
    return _squared_singular_values(x, x.shape[-2])


def population_eigenvalues(mean: Number, std: Number, *, bias: bool = False) -> Tensor:
    r"""`hessian_eigenvalues` of endless data whose features are uncorrelated.

    $$H = \operatorname{diag}(\sigma_1^2, \dots, \sigma_d^2) + \mu \mu^\top$$

    with μ the `mean` and σ the `std`. With equal means and deviations its condition number is

    $$\kappa = 1 + d \mu^2 / \sigma^2$$

    without a bias: 1 for U(−1, 1), 1 + 3d for U(0, 1), 487 for two features U(8, 10), since
    $\sigma^2 = (\text{high} - \text{low})^2 / 12$. A bias adds a row and column, (μ, 1): κ is then

    $$\kappa = \frac{\big(t + \sqrt{t^2 - 4 \sigma^2}\big)^2}{4 \sigma^2}, \qquad t = 1 + \sigma^2 + d \mu^2$$

    where μ ≠ 0, which is 28 for two features U(0, 1) and 80,031 for U(8, 10); and max(σ², 1/σ²) where μ = 0,
    so 3 for U(−1, 1), 1 for standardized features only.

    Args:
        mean: Mean of each feature, `(…, d)`, finite.
        std: Standard deviation of each, at least 0, of a shape that broadcasts with `mean`.
        bias: Whether the unit has a bias: a further input that is always 1.

    Returns:
        The eigenvalues, `(…, d)` or, with a bias, `(…, d + 1)`, float64, ascending.

    Raises:
        ValueError: For a number out of range, or without any feature.

    Examples:
        >>> import torch
        >>> from unitgain.theory import condition_number, population_eigenvalues
        >>> mean = torch.tensor([[0.0, 0.0], [0.5, 0.5], [9.0, 9.0]])  # of U(-1, 1), U(0, 1), U(8, 10)
        >>> std = torch.tensor([[2.0], [1.0], [2.0]]) / 12**0.5
        >>> condition_number(population_eigenvalues(mean, std)).round(decimals=3)
        tensor([  1.,   7., 487.], dtype=torch.float64)

    Source: LeCun et al. (1998), section 5.3; the closed forms are ours, from the 2 × 2 block of the
    direction (1, …, 1) and the bias.
    """
    mean, std = as_numbers("population_eigenvalues", mean=mean, std=std)
    if not mean.ndim or not mean.shape[-1]:
        raise ValueError(f"population_eigenvalues: mean must have shape (…, d), got {tuple(mean.shape)}")
    # A factor A of H = AᵀA: eigenvalues as squared singular values of A keep their small digits
    factor = torch.cat([torch.diag_embed(std), mean.unsqueeze(-2)], dim=-2)
    if bias:
        column = torch.zeros_like(factor[..., :1])
        column[..., -1, :] = 1
        factor = torch.cat([factor, column], dim=-1)
    return _squared_singular_values(factor, 1)


def condition_number(eigenvalues: Tensor) -> Tensor:
    r"""How much steeper the steepest direction is than the flattest.

    $$\kappa = \lambda_\text{max} / \lambda_\text{min}$$

    Args:
        eigenvalues: Of a Hessian, `(…, d)`, in any order, at least 0: from `hessian_eigenvalues` or
            `population_eigenvalues`.

    Returns:
        κ, `(…)`, at least 1; inf if the smallest eigenvalue is 0.

    Raises:
        ValueError: Without eigenvalues, or for one below 0.

    Examples:
        >>> import torch
        >>> from unitgain.theory import condition_number
        >>> condition_number(torch.tensor([[0.5, 50.0], [2.0, 2.0]]))
        tensor([100.,   1.], dtype=torch.float64)

    Source: LeCun et al. (1998), section 5.
    """
    (eigenvalues,) = as_numbers("condition_number", eigenvalues=eigenvalues)
    if not eigenvalues.ndim or not eigenvalues.shape[-1]:
        got = tuple(eigenvalues.shape)
        raise ValueError(f"condition_number: eigenvalues must have shape (…, d), d at least 1, got {got}")
    if not (eigenvalues.amax(-1) > 0).all():
        raise ValueError("condition_number: eigenvalues must hold one above 0, got none")
    return eigenvalues.amax(-1) / eigenvalues.amin(-1)


def largest_stable_rate(largest: Number, momentum: Number = 0.0) -> Tensor:
    r"""The learning rate above which gradient descent on a quadratic diverges.

    $$\alpha_\text{max} = \frac{2 (1 + \beta)}{\lambda_\text{max}}$$

    for $v \leftarrow \beta v + g$, $w \leftarrow w - \alpha v$, torch's form of momentum, with β the
    `momentum`; 0 is plain descent. In the averaging form, $v \leftarrow \beta v + (1 - \beta) g$, the limit
    is $1 / (1 - \beta)$ times as high. It is exact for full batches and a constant Hessian, as a linear
    unit's with squared error; elsewhere it holds near a minimum.

    Args:
        largest: Largest eigenvalue of the Hessian, λ_max, above 0: `hessian_eigenvalues(x)[..., -1]`.
        momentum: β, at least 0 and below 1.

    Returns:
        The rate, of the arguments' common shape.

    Raises:
        ValueError: For a number out of range.

    Examples:
        >>> from unitgain.theory import largest_stable_rate
        >>> largest_stable_rate(4.0), largest_stable_rate(4.0, momentum=0.9)
        (tensor(0.5000, dtype=torch.float64), tensor(0.9500, dtype=torch.float64))

    Source: LeCun et al. (1998), eq. 21; with momentum Goh, *Why momentum really works* (2017).
    """
    largest, momentum = as_numbers("largest_stable_rate", largest=largest, momentum=momentum)
    return 2 * (1 + momentum) / largest


class Descent(NamedTuple):
    """How to descend a quadratic, and how fast it goes; see `optimal_descent`.

    Attributes:
        lr: Learning rate α.
        momentum: β; 0 is plain gradient descent.
        factor: By which the distance to the minimum shrinks a step, in the long run.

    Examples:
        >>> from unitgain.theory import Descent
        >>> Descent(lr=0.02, momentum=0.0, factor=0.98).factor
        0.98

    Source: see `optimal_descent`.
    """

    lr: Tensor
    momentum: Tensor
    factor: Tensor


def optimal_descent(smallest: Number, largest: Number, *, heavy_ball: bool = True) -> Descent:
    r"""The learning rate and momentum that descend a quadratic fastest, and the factor a step.

    $$\alpha = \Big(\frac{2}{\sqrt{\lambda_1} + \sqrt{\lambda_d}}\Big)^2, \qquad
      \beta = \Big(\frac{\sqrt\kappa - 1}{\sqrt\kappa + 1}\Big)^2, \qquad
      \text{factor} = \sqrt\beta = \frac{\sqrt\kappa - 1}{\sqrt\kappa + 1}$$

    with $\lambda_1$ and $\lambda_d$ the smallest and the largest eigenvalue of the Hessian, κ their ratio.
    Without momentum

    $$\alpha = \frac{2}{\lambda_1 + \lambda_d}, \qquad \beta = 0, \qquad
      \text{factor} = \frac{\kappa - 1}{\kappa + 1}$$

    It supposes full batches and a constant Hessian; momentum's form is torch's. With momentum the distance
    may grow at first, and shrinks like $t \cdot \text{factor}^t$ along the first and last direction.

    Args:
        smallest: λ₁, above 0.
        largest: λ_d, at least `smallest`.
        heavy_ball: Whether to use momentum; without it, plain gradient descent.

    Returns:
        `Descent(lr, momentum, factor)`, each of the arguments' common shape.

    Raises:
        ValueError: For a number out of range.

    Examples:
        >>> from unitgain.theory import optimal_descent
        >>> for heavy_ball in (False, True):
        ...     print(*(f"{x:.5f}" for x in optimal_descent(1.0, 100.0, heavy_ball=heavy_ball)))
        0.01980 0.00000 0.98020
        0.03306 0.66942 0.81818

    Source: Polyak, *Some methods of speeding up the convergence of iteration methods* (1964); Goh (2017).
    """
    smallest, largest = as_numbers("optimal_descent", smallest=smallest, largest=largest)
    check_order("optimal_descent", smallest=smallest, largest=largest)
    if not heavy_ball:
        factor = (largest - smallest) / (largest + smallest)
        return Descent(2 / (largest + smallest), torch.zeros_like(factor), factor)
    sqrt_1, sqrt_d = smallest.sqrt(), largest.sqrt()
    factor = (sqrt_d - sqrt_1) / (sqrt_d + sqrt_1)
    return Descent((2 / (sqrt_1 + sqrt_d)).square(), factor.square(), factor)
