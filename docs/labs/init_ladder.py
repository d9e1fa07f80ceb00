# ---
# title: "Lab: climb the ladder of initial weights"
# ---
# %% [markdown]
# # Lab: climb the ladder of initial weights
#
# Take a deep network from all-zero weights to weights fitted to data, rung by rung. At each rung, look at
# what every layer makes of the digits, predict by how much a layer changes signal and gradient, measure it,
# and see whether the network trains. Download this page as a notebook, change the numbers under *Your
# move*, and run it again: it needs `unitgain[plots,data]` and nothing else. The chapter behind it is
# *Weight initialization*.

# %%
from functools import partial

import matplotlib.pyplot as plt
import torch

from unitgain.activations import activation, gain
from unitgain.datasets import digits
from unitgain.devices import best_device
from unitgain.diagnostics import observe
from unitgain.initializers import lecun_normal_, lsuv_, normal_, orthogonal_
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.plots import LIGHT
from unitgain.theory import gradient_factor, variance_map
from unitgain.training import accuracy, cross_entropy, train
from unitgain.transforms import StandardScaler

device = best_device()

# %% [markdown]
# ## Your move
#
# Which activation, how wide and how deep, and which rung do you want to look into? Any name in
# `unitgain.activations.ACTIVATIONS` will do.

# %%
ACTIVATION = "relu"  # or "tanh", "selu", "gelu", "sigmoid"
WIDTH, DEPTH = 64, 12  # units a hidden layer, hidden layers
LOOK_INTO = "0.01 * randn"  # a rung of the ladder below
RATE, MOMENTUM, EPOCHS = 0.01, 0.9, 3
INITIAL_WEIGHTS = 0  # another number, other initial weights

# %% [markdown]
# ## The ladder
#
# A rung is a rule for the weights; biases start at 0. *Gain* multiplies normal weights of variance 1/inputs
# by the activation's forward gain, *orthogonal* does so with random rotations, and *LSUV* rescales these by
# what each layer makes of the data.


# %%
def torch_default_(tensor, generator=None):
    """What nn.Linear does to its weights."""
    bound = tensor.shape[-1] ** -0.5
    with torch.no_grad():
        return tensor.uniform_(-bound, bound, generator=generator)


RUNGS = {
    "zeros": "zeros",
    "0.01 * randn": partial(normal_, std=0.01),
    "randn": "normal",
    "torch's default": torch_default_,
    "Glorot": "glorot_normal",
    "He": "he_normal",
    "gain": partial(lecun_normal_, gain=gain(ACTIVATION)),
    "orthogonal": partial(orthogonal_, gain=gain(ACTIVATION)),
    "LSUV": "zeros",  # drawn anew below
}

x, y = digits(device=device)
x = StandardScaler().fit(x).transform(x)


def network(rung):
    """A fresh network on this rung."""
    sizes, rule = (64, *[WIDTH] * DEPTH, 10), RUNGS[rung]
    generator = torch.Generator().manual_seed(INITIAL_WEIGHTS)
    model = MLP(sizes, ACTIVATION, weight=rule, generator=generator).to(device)
    if rung == "LSUV":
        lsuv_(model, x[:500], generator=generator)
    return model


# %% [markdown]
# ## Look into a rung
#
# What every hidden layer passes on, over all units and digits. Each histogram has its own scale: read the
# numbers above it.

# %% alt="A histogram of the outputs of each hidden layer, with their standard deviation above it."
# Outputs of the hidden layers, first to last
with torch.no_grad():
    outputs = [h.flatten().cpu() for h in network(LOOK_INTO).hidden(x[:500])]
shown = sorted({round(k * (DEPTH - 1) / 5) for k in range(6)})
fig, axes = plt.subplots(2, 3, figsize=(4.4, 3.6), layout="constrained")
for ax in axes.flat[len(shown) :]:
    ax.axis("off")
for ax, k in zip(axes.flat, shown, strict=False):
    ax.hist(outputs[k], bins=40, color=LIGHT["standardized"])
    title = f"layer {k + 1}\nsd {outputs[k].std():.1e}"
    ax.set_title(title, fontsize="medium")
    ax.set(yticks=[], xticks=[])
    ax.spines[["top", "right", "left"]].set_visible(False)

# %% [markdown]
# ## Predict and measure
#
# The theory follows the variance of the pre-activations forward and the size of the gradient back, through
# layers of many units. A factor of 1 a layer is what we want, both ways. Measured in float64, since bad rungs
# leave numbers that float32 cannot hold. (The theory stops counting at variances of 1e30.)


# %%
few = x[:500].to("cpu", torch.float64)


def a_layer(first, last):
    """The factor a layer between two sizes that lie DEPTH - 1 layers apart."""
    return float((last / first) ** (1 / (DEPTH - 1))) if first > 0 else 0.0


def predict(model):
    """Factors a layer of signal and gradient, from the weights' variances alone."""
    f, layers = activation(ACTIVATION), list(model.layers)[:-1]
    variances = [layer.weight.detach().var() for layer in layers]
    q = [layers[0].in_features * variances[0] * few.square().mean()]
    back = 1.0
    for layer, variance in zip(layers[1:], variances[1:], strict=True):
        fans = layer.in_features, layer.out_features
        back = back * gradient_factor(f, variance, *fans, q=q[-1])
        q.append(variance_map(f, q[-1], fans[0] * variance))
    return a_layer(q[0].sqrt(), q[-1].sqrt()), a_layer(1.0, back)


def measure(model):
    """The same, by one pass forward and back."""
    with observe(model, layers=[f"layers.{k}" for k in range(DEPTH)]) as seen:
        cross_entropy(model(few), y[:500].cpu()).backward()
    first, last = seen.last.layers[0], seen.last.layers[-1]
    squares = ((one.mean**2 + one.std**2).mean() for one in (first, last))
    signal = [square.sqrt() for square in squares]
    return a_layer(*signal), a_layer(last.gradient, first.gradient)


def trained(model):
    """The accuracy after a fixed number of steps."""
    optimizer = SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)
    order = torch.Generator().manual_seed(0)
    options = {"loss": "cross_entropy", "epochs": EPOCHS, "batch_size": 32}
    train(model, x, y, optimizer=optimizer, generator=order, **options)
    with torch.no_grad():
        logits = model(x)
    return accuracy(logits, y).item() if logits.isfinite().all() else 0.1


rows = {}
print(f"{ACTIVATION}, {DEPTH} layers of {WIDTH}; factors a layer")
print(f"{'':16s}{'signal':^20s}{'gradient':^20s}")
both = f"{'predicted':>10s}{'measured':>10s}"
print(f"{'':16s}{both}{both}{'accuracy':>10s}")
for rung in RUNGS:
    exact = network(rung).to("cpu", torch.float64)
    factors = *predict(exact), *measure(exact)
    rows[rung] = *factors, trained(network(rung))
    numbers = "".join(f"{factors[k]:10.2f}" for k in (0, 2, 1, 3))
    print(f"{rung:16s}{numbers}{rows[rung][-1]:10.2f}")

# %% alt="Above, the measured factor a layer of each rung for signal and gradient; below, the accuracy."
# Filled: signal; hollow: gradient; lines: predicted
colour = LIGHT["standardized"]
options = {"height_ratios": (3, 2), "layout": "constrained"}
fig, (top, bottom) = plt.subplots(2, figsize=(4.4, 6), **options)
top.axvline(1, color=LIGHT["dead"], lw=0.8)
for at, (*factors, score) in enumerate(rows.values()):
    for k, side, face in ((0, 0.17, colour), (1, -0.17, "none")):
        predicted, seen = factors[k], factors[k + 2]
        if predicted > 0:
            ends = at + side - 0.17, at + side + 0.17
            top.plot([predicted] * 2, ends, color=LIGHT["raw"])
        if seen > 0:
            top.plot(seen, at + side, "o", ms=5, mec=colour, mfc=face)
    bottom.barh(at, 100 * score, color=colour)
top.set(xscale="log", xlabel="factor a layer (log)")
top.xaxis.set_major_formatter("{x:g}")
bottom.set(xlabel="accuracy after training (%)", xlim=(0, 100))
for ax in (top, bottom):
    ax.set(yticks=range(len(rows)), yticklabels=rows, ylim=(-0.6, len(rows) - 0.4))
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# ## Things to try
#
# 1. `LOOK_INTO = "randn"` and then `"LSUV"`. What do the histograms say about the factor a layer?
# 2. `ACTIVATION = "tanh"`. Which rungs change places, and why does `"randn"` no longer blow up?
# 3. `ACTIVATION = "sigmoid"`. On the top rung the signal has the same size in every layer. Why does it still
#    not train? Compare its gradient's factor.
# 4. `DEPTH = 30`. Which is the lowest rung that still trains? Which two numbers of the table predict it?
# 5. `ACTIVATION = "gelu"`, other `INITIAL_WEIGHTS`. How reliable is the *gain* rung, and how reliable *LSUV*?
