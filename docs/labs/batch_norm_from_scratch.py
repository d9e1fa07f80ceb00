# ---
# title: "Lab: batch normalization from scratch"
# ---
# %% [markdown]
# # Lab: batch normalization from scratch
#
# Write batch normalization in plain torch, forward and backward, and compare it with two libraries. Then
# break it: forget `eval()`, predict one image, change the momentum. Download this page as a notebook,
# change the numbers under *Your move*, and run it again: it needs `unitgain[plots,data]` and nothing else.
# The chapter behind it is *Batch normalization*.

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn

from unitgain.datasets import digits, split
from unitgain.devices import best_device
from unitgain.layers import BatchNorm
from unitgain.plots import LIGHT
from unitgain.training import accuracy, train

device = best_device()

# %% [markdown]
# ## Your move
#
# How many images does the network train on at a time, and how quickly do its running statistics follow?

# %%
BATCH = 32  # 2 is the smallest that has a variance
MOMENTUM = 0.1  # weight of the newest batch in the running statistics
STEPS = 300
RATE = 0.3
TOGETHER = (1, 2, 4, 16, 64)  # images that are predicted together
INITIAL_WEIGHTS = 0  # another number, other initial weights

# %% [markdown]
# ## Ten lines
#
# In training each unit gets mean 0 and variance 1 over the batch, then a scale γ and a shift β that are
# learned. The running statistics follow the batches and stand in for them in evaluation mode. One detail is
# easily missed: the batch is divided by the root of its *biased* variance, while the running variance takes
# in the *unbiased* one.


# %%
class Norm(nn.Module):
    """Batch normalization of rows (n, units)."""

    def __init__(self, units, momentum=0.1, eps=1e-5):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(units))
        self.beta = nn.Parameter(torch.zeros(units))
        self.register_buffer("mean", torch.zeros(units))
        self.register_buffer("var", torch.ones(units))
        self.momentum, self.eps = momentum, eps

    def forward(self, x):
        n, mean, var = len(x), self.mean, self.var
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            self.mean.lerp_(mean.detach(), self.momentum)
            self.var.lerp_(var.detach() * n / (n - 1), self.momentum)
        return self.gamma * (x - mean) / (var + self.eps).sqrt() + self.beta


# %% [markdown]
# ## Backward by hand
#
# Let $\hat x$ be the normalized batch and $g$ the gradient at the output. Moving one example moves μ and σ
# too, and each takes a term out of the gradient:
#
# $$\frac{\partial L}{\partial x} = \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}}
# \Bigl(g - \bar g - \hat x\, \overline{g \hat x}\Bigr)$$
#
# where the bar is the mean over the batch. The gradients of γ and β are the sums of $g \hat x$ and of $g$
# over the batch.


# %%
def backward(x, gamma, g, eps=1e-5):
    """Gradients of the input, γ and β."""
    scale = (x.var(0, correction=0) + eps).rsqrt()
    x_hat = (x - x.mean(0)) * scale
    along = x_hat * (g * x_hat).mean(0)
    return gamma * scale * (g - g.mean(0) - along), (g * x_hat).sum(0), g.sum(0)


# %% [markdown]
# ## The same numbers?
#
# Ten batches of numbers far from 0 pass through ours, torch's and unitgain's, forward and backward, in double
# precision on the CPU. What differs is rounding.

# %%
draw = torch.Generator().manual_seed(0)
ours, torchs, unitgains = Norm(8), nn.BatchNorm1d(8), BatchNorm(8)
layers = [layer.double() for layer in (ours, torchs, unitgains)]
apart = {}


def note(name, values):
    """Remember the largest relative difference from the first of the values."""
    first = values[0]
    for value in values[1:]:
        far = (first - value.reshape(first.shape)).norm() / first.norm()
        apart[name] = max(apart.get(name, 0.0), far.item())


for _ in range(10):
    batch = 5 + 3 * torch.randn(32, 8, generator=draw, dtype=torch.float64)
    g = torch.randn(32, 8, generator=draw, dtype=torch.float64)
    inputs = [batch.clone().requires_grad_() for _ in layers]
    outputs = [layer(x) for layer, x in zip(layers, inputs, strict=True)]
    pairs = zip(outputs, inputs, strict=True)
    gradients = [torch.autograd.grad(y, x, g)[0] for y, x in pairs]
    note("output", outputs)
    note("gradient", gradients)
    note("by hand", [backward(batch, ours.gamma, g)[0], gradients[0]])
note("running", [ours.mean, torchs.running_mean, unitgains.running_mean])
note("running", [ours.var, torchs.running_var, unitgains.running_var])
note("evaluation", [layer.eval()(batch) for layer in layers])

for name, far in apart.items():
    verdict = "the same to rounding" if far < 1e-10 else f"DIFFERENT by {far:.0e}"
    print(f"{name:10} {verdict}")

# %% [markdown]
# ## Train with it, then break it

# %%
x, y = digits(device=device)
data = split(x / 16, y, generator=torch.Generator().manual_seed(0))
check_x, check_y = data.validation.x, data.validation.y

torch.manual_seed(INITIAL_WEIGHTS)
norms = [Norm(32, MOMENTUM), Norm(32, MOMENTUM)]
hidden = [nn.Linear(64, 32), norms[0], nn.ReLU()]
hidden += [nn.Linear(32, 32), norms[1], nn.ReLU()]
model = nn.Sequential(*hidden, nn.Linear(32, 10)).to(device)
steps, scores = [], []


@torch.no_grad()
def look(step):
    """The accuracy in evaluation mode, as training goes on."""
    if step & (step - 1) == 0 or step == STEPS:  # at 0, 1, 2, 4, 8, …
        steps.append(max(step, 0.5))  # a logarithmic axis has no 0
        scores.append(accuracy(model.eval()(check_x), check_y).item())
        model.train()


draw = torch.Generator().manual_seed(0)
rows = torch.randint(len(data.train.x), (STEPS * BATCH,), generator=draw)
train(
    model,
    data.train.x[rows.to(device)],
    data.train.y[rows.to(device)],
    loss="cross_entropy",
    optimizer=torch.optim.SGD(model.parameters(), lr=RATE),
    epochs=1,
    batch_size=BATCH,
    generator=torch.Generator().manual_seed(0),
    callback=look,
)
model.eval()
with torch.no_grad():
    print(f"accuracy in evaluation mode: {accuracy(model(check_x), check_y):.2f}")

# %% [markdown]
# ### Leave it in training mode
#
# In training mode an image is normalized by the images beside it. Alone, it is its own mean: every unit
# becomes 0 before γ and β, whatever the image shows. (Torch and unitgain refuse a batch of one; ours does
# not.) And each prediction moves the running statistics, so we put them back.

# %%
kept = {name: value.clone() for name, value in model.state_dict().items()}


@torch.no_grad()
def in_training_mode(size):
    """Accuracy in training mode, `size` images at a time."""
    model.train()
    for norm in norms:
        norm.momentum = 0.0  # not even the statistics notice
    whole = len(check_x) // size * size
    output = torch.cat([model(few) for few in check_x[:whole].split(size)])
    model.eval()
    for norm in norms:
        norm.momentum = MOMENTUM
    return accuracy(output, check_y[:whole]).item()


without = [in_training_mode(size) for size in TOGETHER]
for size, score in zip(TOGETHER, without, strict=True):
    print(f"without eval(), {size:2} at a time: accuracy {score:.2f}")

# %% [markdown]
# With momentum 0 a batch of one still turns the running variance into NaN, as an unbiased variance divides by
# n − 1. That is a second reason to refuse it.

# %%
alone = Norm(1)
alone(torch.tensor([[3.0]]))
model.load_state_dict(kept)
print("running variance after a batch of one:", alone.var.item())

# %% alt="Above: accuracy in evaluation mode by training step. Below: without eval, by images at a time."
# The accuracy in both modes
options = {"sharey": True, "layout": "constrained"}
fig, (top, bottom) = plt.subplots(2, figsize=(4.4, 5.4), **options)
top.plot(steps, scores, "o-", ms=4, color=LIGHT["standardized"])
top.set(xscale="log", xlabel="training step (log scale; 0 at the left end)")
top.xaxis.set_major_formatter("{x:g}")
top.set_title(f"In evaluation mode, momentum {MOMENTUM:g}")
bottom.plot(TOGETHER, without, "o-", ms=4, color=LIGHT["raw"])
bottom.set(xscale="log", xlabel="images predicted together (log scale)")
bottom.set_title("In training mode, after training")
bottom.set_xticks(TOGETHER, TOGETHER)
bottom.minorticks_off()
for ax in (top, bottom):
    ax.set(ylabel="accuracy", ylim=(0, 1))
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# ## Things to try
#
# 1. Set `MOMENTUM = 0.001`. The network learns as before, yet in evaluation mode it does worse: after t steps
#    the fraction $(1 - m)^t$ of the running statistics is still 0 and 1. How many `STEPS` hide it?
# 2. Set `MOMENTUM = 1.0`. Now only the last batch counts. How far does the accuracy differ from one
#    `INITIAL_WEIGHTS` to the next with `BATCH = 8`?
# 3. Set `BATCH = 2`. Each unit then sees only +1 and −1 in training. Does evaluation mode fail, or did the
#    network never learn? Look at the training mode with 64 images at a time.
# 4. Take the third term, `along`, out of `backward`. Which line of the comparison notices it?
# 5. Divide by the unbiased variance in `forward` (`x.var(0)`). Which lines notice it?
