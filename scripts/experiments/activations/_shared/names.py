"""The activations of the chapter as readers know them."""

NAMES = {
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "lecun_tanh": "LeCun's tanh",
    "softplus": "softplus",
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "elu": "ELU",
    "selu": "SELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "mish": "Mish",
}
