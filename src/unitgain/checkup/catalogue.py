"""The faults that `checkup` knows: a stable id, a name, what it means, the fix as code, and where to read on."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FAULTS", "Fault"]


class Fault(NamedTuple):
    """One kind of fault. Ids are stable: a fault that goes leaves its number unused."""

    id: str
    name: str
    cause: str
    fix: str
    page: str  # a path below the site's address


_INPUTS, _PITFALLS, _PRE = "learn/normalize-your-data/", "learn/pitfalls/", "learn/preprocessing/"
_INIT, _ACT, _GRAD = "learn/initialization/", "learn/activations/", "learn/unstable-gradients/"
_BN, _LOSS, _OPT, _TUNE, _RECIPE = (
    "learn/batch-normalization/",
    "learn/losses/",
    "learn/optimizers/",
    "learn/tuning/",
    "learn/recipe/",
)
_STANDARDIZE = "scaler = StandardScaler().fit(x_train)  # unitgain.transforms\nx = scaler.transform(x)"
_LOOP = "optimizer.zero_grad()\nloss = loss_function(model(x), y)\nloss.backward()\noptimizer.step()"

_TABLE = (
    # inputs
    ("001", "inputs-not-centred", "The inputs lie far from 0, so that each unit is on for all of them or for none.", _STANDARDIZE, _INPUTS),
    ("002", "inputs-wild-scales", "The inputs' scales are far from 1 or far from each other: no one learning rate suits all weights.", _STANDARDIZE, _INPUTS + "#claim-norm-helps-scales"),
    ("003", "inputs-constant", "All inputs are the same: there is nothing to learn from.", "print(x.std(0))  # look at what is loaded", _PITFALLS),
    ("004", "inputs-non-finite", "The inputs hold NaN or infinity: one of them makes every weight NaN.", "keep = x.isfinite().all(1)\nx, y = x[keep], y[keep]", _PITFALLS),
    ("005", "inputs-integer", "The inputs are raw whole numbers: codes or pixels as they are stored.", "x = x.float() / 255  # pixels\nx = F.one_hot(codes).float()  # codes", _PRE),
    ("006", "inputs-duplicated", "Most rows are copies of others: the data are fewer than they look.", "x, first = torch.unique(x, dim=0, return_inverse=True)  # before the split", _PITFALLS),
    ("007", "inputs-shuffled", "Nothing learns anything from these inputs that holds on other rows: inputs and targets may have been shuffled apart.", "order = torch.randperm(len(x))\nx, y = x[order], y[order]  # the same order for both", _PITFALLS),
    ("008", "mixes-examples", "The output of one example depends on the others of its batch: an operation works along the batch.", "nn.LSTM(…, batch_first=True)  # or the dimension that is meant: dim=-1", _RECIPE),
    ("009", "inputs-wrong-axis", "Each row was standardized, not each column: what tells examples apart is gone.", "x = (x - x.mean(0)) / x.std(0)  # 0: over the examples", _PITFALLS),
    # targets
    ("011", "targets-unscaled", "The targets are far from mean 0 and standard deviation 1: the outputs cannot get there, or the gradients are out of scale.", "mean, std = y_train.mean(0), y_train.std(0)\ny = (y - mean) / std  # and back for predictions", _PRE + "#claim-targets-too"),
    ("012", "targets-constant", "All targets are the same: there is nothing to learn.", "print(y.unique())  # look at what is loaded", _LOSS),
    ("013", "targets-outside-loss", "The targets are outside of what the loss is defined for.", "y = (y > 0).float()  # a binary loss wants 0 and 1", _LOSS),
    ("014", "targets-broadcast", "The loss pairs every output with every target: (n, 1) against (n,) broadcasts to (n, n).", "loss_function(model(x).squeeze(-1), y)", _LOSS),
    ("015", "labels-out-of-range", "A label is no class of the output: labels count from 0.", "y = y - y.min()  # or one more output", _LOSS),
    ("016", "classes-unequal", "One class is so frequent that answering it always is hard to beat.", "weight = len(y) / (classes * torch.bincount(y))\nnn.CrossEntropyLoss(weight=weight)", _LOSS),
    ("017", "batches-sorted", "The batches come sorted: each shows one part of the data, and the network forgets the others.", "DataLoader(dataset, batch_size=32, shuffle=True)", _OPT),
    ("018", "leakage", "Rows of the validation data are in the training data.", "train, validation = random_split(dataset, (0.8, 0.2))  # after copies are gone", _PITFALLS + "#claim-train-only-stats"),
    ("019", "validation-preprocessed", "The validation data are preprocessed otherwise than the training data.", "scaler.fit(x_train)\nx_validation = scaler.transform(x_validation)", _PITFALLS),
    # initial weights
    ("021", "weights-zero", "Weights start at zero: no signal goes through, and no gradient comes back.", "model.apply(initialize)  # unitgain.initializers", _INIT + "#claim-zeros"),
    ("022", "weights-equal", "All units of a layer start with the same weights, and so stay one unit.", "model.apply(initialize)  # unitgain.initializers", _INIT + "#claim-zeros"),
    ("023", "weights-small", "The initial weights are too small: the signal fades from layer to layer.", 'he_normal_(layer.weight)  # unitgain.initializers', _INIT + "#claim-small-random"),
    ("024", "weights-large", "The initial weights are too large: signals saturate or explode.", 'he_normal_(layer.weight)  # unitgain.initializers', _INIT + "#claim-he"),
    ("025", "biases-kill", "The biases hold units off, whatever the input.", "nn.init.zeros_(layer.bias)", _INIT + "#claim-born-dead"),
    # architecture
    ("031", "no-nonlinearity", "The layers follow each other without an activation: together they are one linear map.", "nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, k))", _ACT),
    ("032", "too-narrow", "A hidden layer is too narrow to let through what the targets need.", "nn.Linear(d, 64)  # more units", _INPUTS + "#claim-two-relus-cannot"),
    ("033", "saturated", "Units are saturated: their slope is nearly 0, and no gradient passes.", "nn.ReLU()  # in place of nn.Sigmoid(), or weights of variance 1/inputs", _ACT + "#claim-raw-pixels-saturate"),
    ("034", "dead-units", "Most units are off on all the data and get no gradient.", "nn.LeakyReLU()  # and a smaller learning rate", _ACT + "#claim-dead-forty"),
    ("035", "always-on", "Units are on for all the data: the layer is linear.", _STANDARDIZE, _INPUTS + "#claim-all-or-none"),
    ("036", "vanishing", "The gradient vanishes on its way back: the first layers do not move.", "nn.ReLU() and he_normal_, or nn.BatchNorm1d(n) after each layer", _GRAD + "#claim-vanish-more-common"),
    ("037", "exploding", "The gradient explodes on its way back.", "he_normal_(layer.weight)\nclip_grad_norm_(model.parameters(), 1.0)", _GRAD + "#claim-explode-100"),
    # loss and output
    ("041", "softmax-before-cross-entropy", "The network ends in a softmax, and the cross-entropy applies another one.", "nn.Linear(n, classes)  # last: no softmax", _LOSS),
    ("042", "sigmoid-before-logits-loss", "The network ends in a sigmoid, and the loss applies another one.", "nn.Linear(n, 1)  # last: no sigmoid with a loss of logits", _LOSS),
    ("043", "logits-into-probability-loss", "The loss wants (log) probabilities and gets logits.", "F.cross_entropy(logits, y)  # or F.nll_loss(F.log_softmax(logits, -1), y)", _LOSS),
    ("044", "wrong-loss", "The loss does not fit the targets.", "F.cross_entropy(logits, labels)  # classes\nF.mse_loss(output, y)  # numbers", _LOSS),
    ("045", "squared-error-saturated", "The squared error on outputs that saturate has hardly a gradient where the network is wrong.", "F.binary_cross_entropy_with_logits(logits, y)", _LOSS + "#claim-ce-vs-mse"),
    ("046", "output-activation", "The last activation keeps the output from where the targets are.", "nn.Linear(n, k)  # last: no activation", _LOSS),
    ("047", "softmax-wrong-axis", "The softmax is along the wrong axis.", "torch.softmax(z, dim=-1)", _LOSS),
    ("048", "softmax-multilabel", "A softmax makes one answer of several: its outputs add up to 1.", "F.binary_cross_entropy_with_logits(logits, y)  # a sigmoid for each label", _LOSS),
    ("049", "sum-for-mean", "The loss is a sum over the batch: the learning rate is multiplied by the batch size.", 'nn.MSELoss(reduction="mean")', _LOSS),
    # training
    ("051", "rate-too-high", "The learning rate is too high.", "optimizer = torch.optim.Adam(model.parameters(), lr={better})", _OPT + "#claim-gd-edge"),
    ("052", "rate-too-low", "The learning rate is too low.", "optimizer = torch.optim.Adam(model.parameters(), lr={better})", _TUNE + "#claim-tuning-importance"),
    ("053", "weight-decay", "Weight decay eats the step.", "torch.optim.AdamW(model.parameters(), weight_decay=0.01)", _TUNE),
    ("054", "clipping-tight", "The gradient is clipped so tightly that hardly a step is left.", "clip_grad_norm_(model.parameters(), 1.0)  # above its usual norm", _GRAD),
    ("055", "dropout-strong", "Dropout takes too much.", "nn.Dropout(0.2)", _TUNE),
    ("056", "dropout-in-evaluation", "Something random is active in evaluation mode.", "F.dropout(x, p, training=self.training)", _BN),
    # the loop
    ("061", "gradients-not-zeroed", "Gradients are not set to zero between steps: each step takes all before again.", _LOOP, _OPT),
    ("062", "no-step", "The optimizer takes no step, or one without a gradient.", _LOOP, _OPT),
    ("063", "missing-from-optimizer", "The optimizer does not have all parameters.", "torch.optim.Adam(model.parameters())  # when the model is complete", _OPT),
    ("064", "optimizer-of-another-model", "The optimizer has the parameters of another model.", "torch.optim.Adam(model.parameters())  # of the model that is trained", _OPT),
    ("065", "not-registered", "Layers are kept where the model does not see them, in a plain list or as a tensor.", "self.layers = nn.ModuleList(layers)", _OPT),
    ("066", "frozen", "Parameters are frozen that the task needs.", "model.requires_grad_(True)", _OPT),
    ("067", "unused", "Parameters have no effect on the output.", "x = self.layer(x)  # in forward", _OPT),
    ("068", "detached", "The graph is cut: parameters that matter get no gradient.", "h = self.layer(x)  # no .detach(), .data, .item() or no_grad", _GRAD),
    ("069", "non-differentiable", "An operation without a useful derivative cuts the gradient off.", "torch.sigmoid(z)  # in place of a threshold, while it trains", _GRAD),
    # normalization and modes
    ("071", "batchnorm-mode", "Batch normalization is in the wrong mode while it trains.", "model.train()  # before each epoch", _BN + "#claim-bn-eval"),
    ("072", "batchnorm-tiny-batch", "Batches are too small for batch normalization.", "nn.GroupNorm(groups, channels)  # or batches of 16 and more", _BN),
    ("073", "batchnorm-lagging", "The running statistics of batch normalization lag behind.", "nn.BatchNorm1d(n, momentum=0.1)", _BN),
    ("074", "train-evaluation-disagree", "The network answers otherwise in evaluation than in training mode.", "model.eval()  # and look at what depends on self.training", _BN),
    ("075", "cannot-overfit", "It cannot even learn one small batch by heart, and none of the cures tried helps.", "x, y = x[:16], y[:16]  # make this work first", _RECIPE),
    ("076", "does-not-run", "It raises an error.", "model(x)  # one batch", _RECIPE),
)  # fmt: skip

FAULTS: dict[str, Fault] = {name: Fault(f"UG{number}", name, *rest) for number, name, *rest in _TABLE}
