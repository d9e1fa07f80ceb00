# ---
# title: "Lab: predict your network's gradients, then measure them"
# ---
# %% [markdown]
# # Lab: predict your network's gradients, then measure them
#
# Describe a network, let the theory say by how much its gradient grows or shrinks on the way back, and
# check it on fresh networks. Download this page as a notebook, change the numbers under *Your move*, and
# run it again: it needs `unitgain[plots]` and nothing else. The chapter behind it is *Unstable gradients*.

# %%
import matplotlib.pyplot as plt
import torch

from unitgain.activations import activation
from unitgain.diagnostics import observe
from unitgain.models import MLP
from unitgain.plots import LIGHT
from unitgain.theory import gradient_factor, variance_map
from unitgain.training import squared_error
from unitgain.transforms import StandardScaler

# %% [markdown]
# ## Your move
#
# Which sizes, which activation, which initial weights, and what does the input look like? Any name in
# `unitgain.activations.ACTIVATIONS` and any rule in `unitgain.initializers` will do.

# %%
SIZES = (20, *[100] * 10, 1)  # inputs, hidden layers, output
ACTIVATION = "sigmoid"
WEIGHTS = "glorot_uniform"
INPUT_MEAN, INPUT_SPREAD = 0.0, 1.0
STANDARDIZE = False
NETWORKS = 20  # that differ in their initial weights
DTYPE = torch.float64  # in float32 an exploding gradient soon overflows

# %% [markdown]
# ## Predict
#
# Forward, the variance of each layer's pre-activations follows from the one before it; backward, each layer
# multiplies the gradient by a factor that depends on that variance. The size of a gradient is its root mean
# square over the units, given as a multiple of the size at the last hidden layer.


# %%
def inputs():
    """Examples with normal features."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(300, SIZES[0], generator=generator, dtype=DTYPE)
    x = INPUT_MEAN + INPUT_SPREAD * noise
    return StandardScaler().fit(x).transform(x) if STANDARDIZE else x


def networks(function, weights):
    """Fresh networks, all in one model."""
    options = {"generator": torch.Generator().manual_seed(1), "dtype": DTYPE}
    return MLP(SIZES, function, weight=weights, replicas=NETWORKS, **options)


def predict(model, function, x):
    """Size of the gradient at each hidden layer, first to last, 1 at the last."""
    f, layers = activation(function), list(model.layers)
    weight_vars = [layer.weight.var() for layer in layers]  # of one weight
    q = layers[0].in_features * weight_vars[0] * x.square().mean()
    factors = []
    for layer, weight_var in zip(layers[1:-1], weight_vars[1:-1], strict=True):
        fans = layer.in_features, layer.out_features
        factors.append(gradient_factor(f, weight_var, *fans, q=q))
        q = variance_map(f, q, fans[0] * weight_var)
    back = torch.stack([torch.ones_like(q), *reversed(factors)]).cumprod(0)
    return back.flip(0)


# %% [markdown]
# ## Measure
#
# One backward pass, watched by `observe`.


# %%
def measure(model, x):
    """The same, measured: one row a hidden layer, one column a network."""
    generator = torch.Generator().manual_seed(2)
    y = torch.randn(len(x), generator=generator, dtype=DTYPE)
    names = [f"layers.{k}" for k in range(len(model.activations))]
    with observe(model, layers=names) as seen:
        squared_error(model(x)[..., :1], y).sum().backward()
    sizes = torch.stack([layer.gradient for layer in seen.last.layers])
    return torch.where(sizes[-1] > 0, sizes / sizes[-1], 0.0)  # all dead: 0 / 0


def verdict(predicted, measured):
    """One line about the first hidden layer."""
    typical = measured[0].median().item()
    change = "vanishes" if typical < 1 else "explodes"
    word = "gets through" if 0.1 <= typical <= 10 else change
    return f"predicted {predicted[0]:7.1e}, measured {typical:7.1e}: {word}"


x = inputs()
model = networks(ACTIVATION, WEIGHTS)
predicted, measured = predict(model, ACTIVATION, x), measure(model, x)
print(f"gradient, first hidden layer over last, {ACTIVATION}, {WEIGHTS}:")
print(verdict(predicted, measured))

# %% alt="Gradient size at each hidden layer on a log axis: predicted as a line, measured as dots."
# Line: predicted. Dots: median of the networks; bars: the middle 80 % of them
quantiles = torch.tensor([0.1, 0.5, 0.9], dtype=DTYPE)
low, middle, high = measured.quantile(quantiles, dim=1)
bars = torch.stack([middle - low, high - middle])
layers = range(1, len(predicted) + 1)
fig, ax = plt.subplots(figsize=(4.4, 3.2), layout="constrained")
ax.errorbar(layers, middle, bars, fmt="o", color=LIGHT["standardized"])
ax.plot(layers, predicted, color=LIGHT["raw"], lw=1)
ax.set(yscale="log", ylabel="gradient (log scale)")
ax.set(xlabel="hidden layer", xticks=layers)
ax.yaxis.set_major_formatter("{x:g}")  # large enough to read on a phone
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## Which weights suit which activation?
#
# The same sizes and inputs, other pairs. *Gets through* means that the first hidden layer's gradient is
# within a factor of 10 of the last one's.

# %%
for function in ("sigmoid", "tanh", "relu"):
    for weights in ("normal", "lecun_normal", "glorot_uniform", "he_normal"):
        model = networks(function, weights)
        line = verdict(predict(model, function, x), measure(model, x))
        print(f"{function:8s}{weights:15s} {line}")

# %% [markdown]
# ## Things to try
#
# 1. Set `SIZES = (20, *[100] * 30, 1)`. Which of the pairs still gets through?
# 2. Set `SIZES = (20, *[4] * 10, 1)`. How much do prediction and networks differ, and in which direction?
# 3. Set `INPUT_MEAN = 10.0` with `ACTIVATION = "tanh"`. What does an offset of the input do to the gradient,
#    and does `STANDARDIZE = True` undo it?
# 4. Find the hidden width at which N(0, 1) weights (`"normal"`) carry a sigmoid network's gradient unchanged.
