"""What does each scaling do to the loss surface, and to the descent on it?  Chapter: preprocessing."""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from experiments import style
from experiments.preprocessing._shared.cloud import MEAN, STD, cloud, covariance
from experiments.words import number, percent
from unitgain.theory import condition_number, hessian_eigenvalues, optimal_descent
from unitgain.transforms import Center, Compose, MinMaxScaler, StandardScaler, Whitening

SCALINGS = {
    "raw": nn.Identity,
    "centred": Center,
    "scaled to [0, 1]": MinMaxScaler,
    "scaled to [−1, 1]": lambda: MinMaxScaler((-1, 1)),
    "standardized": StandardScaler,
    "whitened": Whitening,
}
PICTURED = ("raw", "centred", "standardized", "whitened")
FAULTY = ("raw", "centred", "scaled to [0, 1]")  # in offset or scale
SLOPE = (1.0, -0.8)  # of the target along the two features, each counted in its standard deviations
STEPS = 400
SOLVED = 1e-4  # of the first loss


def compute(*, tables=20, points=2_000, seed=0, device="cpu"):
    """Condition numbers `kappa` (2, scalings, tables), from the points' distribution and from the points.

    Of the first table the Hessian of the two weights `hessian` (scalings, 2, 2), and their errors on the way
    down at the best rate, `path` (STEPS + 1, scalings, 2). `steps` (2, scalings, tables) from the condition
    number and counted; `with_bias` (2, scalings, tables): condition numbers where a bias learns along.
    """
    x = cloud(points, seed, tables, device=device)
    mean, slope = torch.tensor(MEAN).to(x), (torch.tensor(SLOPE) / torch.tensor(STD)).to(x)
    z, moments, errors = [], [], []
    for make in SCALINGS.values():
        for one in x:
            prepare = Compose(make()).fit(one)
            shift = prepare(torch.zeros_like(x[0, :1]))
            matrix = (prepare(torch.eye(2).to(x)) - shift).mT  # z = matrix x + shift
            z.append(prepare(one))
            moments.append(_second_moments(matrix @ mean + shift[0], matrix @ covariance().to(x) @ matrix.mT))
            errors.append(-torch.linalg.solve(matrix.mT, slope))
    shape = len(SCALINGS), tables
    z, moment, error = (torch.stack(part).unflatten(0, shape) for part in (z, moments, errors))
    expected = torch.linalg.eigvalsh(moment[..., :2, :2]), torch.linalg.eigvalsh(moment)
    measured = hessian_eigenvalues(z), hessian_eigenvalues(z, bias=True)
    kappa, with_bias = (
        torch.stack([condition_number(theory), condition_number(data)])
        for theory, data in zip(expected, measured, strict=True)
    )
    hessian = z.mT @ z / points
    path = _descend(
        hessian, error, optimal_descent(measured[0][..., 0], measured[0][..., -1], heavy_ball=False).lr
    )
    loss = ((path.unsqueeze(-2) @ hessian).squeeze(-2) * path).sum(-1)
    counted = (loss > SOLVED * loss[0]).sum(0)
    return {
        "kappa": kappa,
        "with_bias": with_bias,
        "hessian": hessian[:, 0],
        "path": path[:, :, 0],
        "steps": torch.stack([_steps(kappa[0]), counted.double()]),
    }


def _second_moments(mean: Tensor, covariance: Tensor) -> Tensor:
    """E zzᵀ (3, 3) of the inputs z and the bias's 1."""
    moments = torch.zeros(3, 3).to(mean)
    moments[:2, :2] = covariance
    mean = torch.cat([mean, torch.ones_like(mean[:1])])
    return moments + mean[:, None] * mean


def _descend(hessian: Tensor, error: Tensor, rate: Tensor) -> Tensor:
    """Errors of the weights (STEPS + 1, …, 2); the gradient of half the mean squared error is H error."""
    path = [error]
    for _ in range(STEPS):
        path.append(path[-1] - rate[..., None] * (hessian @ path[-1][..., None])[..., 0])
    return torch.stack(path)


def _steps(kappa: Tensor) -> Tensor:
    """Until the loss is SOLVED, if each step leaves ((κ − 1) / (κ + 1))² of it."""
    left = ((kappa - 1) / (kappa + 1)).square()
    return (np.log(SOLVED) / left.log()).ceil().clamp(min=1, max=STEPS)


def draw(result) -> Figure:
    fig, axes = style.figure(8.2, 2.6, ncols=4, tall=4.55)
    colours, ink = style.palette(), style.ink()
    circle = np.stack([np.cos(angle := np.linspace(0, 2 * np.pi, 121)), np.sin(angle)])
    kappa, taken = result["kappa"][1, :, 0], result["steps"][1, :, 0]
    for ax, name in zip(axes, PICTURED, strict=True):
        i = list(SCALINGS).index(name)
        path, hessian = result["path"][: int(taken[i]) + 1, i], result["hessian"][i]
        reach = 1.2 * np.abs(path[0]).max()
        first = path[0] @ hessian @ path[0]
        widths, axes_of = np.linalg.eigh(hessian)
        for share in (1, 0.3, 0.08, 0.01):
            ring = axes_of @ (circle * np.sqrt(share * first / widths)[:, None])
            ax.plot(*ring, color=style.GRID, lw=0.9, alpha=0.8)
        colour = colours["raw" if name in FAULTY else "standardized"]
        ax.plot(*path.T, color=colour, lw=1.1, marker="o" if len(path) < 20 else "", ms=3.5, mew=0)
        ax.plot(*path[0], "o", mfc="none", mec=ink, ms=8)
        ax.plot(0, 0, "x", color=ink, ms=8, mew=1.6)
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[], anchor="S")
        if name == "whitened":
            ax.text(*(path[0] + np.array([0.14, 0]) * reach), "start", va="center")
            ax.text(0, -0.41 * reach, "least loss", ha="center", va="center")
            ax.text(0, -0.75 * reach, "ring: equal loss", ha="center", va="center")
        ax.spines[["top", "right"]].set_visible(True)
        steps = "1 step" if taken[i] == 1 else f"{taken[i]:.0f} steps"
        ax.set_title(f"{name}\nκ = {number(kappa[i], 2)}, {steps}")
    fig.supxlabel("error of the first weight", fontsize=10)
    fig.supylabel("error of the second weight", fontsize=10)
    return fig


def table(result) -> dict:
    columns = {"scaling": list(SCALINGS)}
    for key, name in (("kappa", "condition_number"), ("with_bias", "with_bias"), ("steps", "steps")):
        predicted, measured = result[key].mean(-1)
        columns |= {f"{name}_predicted": predicted, f"{name}_measured": measured}
    return columns


def _off(result, key: str) -> float:
    """Largest relative distance of a scaling's mean from its prediction."""
    predicted, measured = result[key].mean(-1)
    return float(np.abs(measured / predicted - 1).max())


def caption(result) -> str:
    steps = dict(zip(SCALINGS, result["steps"][1, :, 0], strict=True))
    learned = dict(zip(SCALINGS, result["with_bias"][1, :, 0], strict=True))
    return (
        f"**The rounder the loss surface, the fewer steps gradient descent takes: {steps['raw']:.0f} on raw "
        f"inputs, {steps['centred']:.0f} centred, {steps['standardized']:.0f} standardized and "
        f"{steps['whitened']:.0f} whitened.**\n\n"
        f"Scaled to [0, 1] the same inputs take {steps['scaled to [0, 1]']:.0f} steps, scaled to [−1, 1] "
        f"{steps['scaled to [−1, 1]']:.0f}. The loss is the squared error of a linear unit with two weights "
        "and its bias held at the right value. Gradient descent starts from weights of 0 and goes on at its "
        f"best constant learning rate until the loss has fallen to {SOLVED:g} of the first. κ is the "
        f"condition number; if the bias is learned too, it is {number(learned['raw'], 2)} raw and "
        f"{number(learned['standardized'], 2)} standardized. Shown is one cloud like that of the film; over "
        f"{result['steps'].shape[-1]} such clouds the mean κ is as predicted within "
        f"{percent(_off(result, 'kappa'))}."
    )


def alt(result) -> str:
    counted = zip(SCALINGS, result["steps"][1, :, 0], strict=True)
    steps = (f"{name} {mean:.0f}" for name, mean in counted if name in PICTURED)
    return (
        f"Four panels of elliptic contours with a zig-zag path to the middle. Steps: {', '.join(steps)}. The "
        "narrower the ellipses, the longer the path; whitened, they are circles."
    )
