"""At too high a learning rate 40 % of the ReLUs and more can die (if the pixels are off centre)."""

import torch
from sklearn import datasets, preprocessing

CASES = {
    "one layer of 60 ReLUs, pixels of mean 0.75 standard deviations": ({"hidden": 60, "mean": 0.75}, "holds"),
    "one layer of 60 ReLUs, pixels of mean 0.1": ({"hidden": 60, "mean": 0.1}, "fails"),
}


def dead_after_training(x, y, hidden, rate):
    first, last = torch.nn.Linear(64, hidden), torch.nn.Linear(hidden, 10)
    optimizer = torch.optim.SGD([*first.parameters(), *last.parameters()], lr=rate)
    for _ in range(3):
        for rows in torch.randperm(len(x)).split(32):
            loss = torch.nn.functional.cross_entropy(last(first(x[rows]).relu()), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return (first(x) <= 0).all(dim=0).float().mean()


def measured(seed, *, hidden, mean):
    """The number: fraction of ReLUs that no image activates after training, at the worst of four rates."""
    torch.manual_seed(seed)
    x, y = datasets.load_digits(return_X_y=True)
    x, y = torch.tensor(preprocessing.scale(x) + mean).float(), torch.tensor(y)
    dead = [[dead_after_training(x, y, hidden, rate) for rate in (0.7, 1.4, 2.8, 5.6)] for _ in range(3)]
    return float(torch.tensor(dead).mean(dim=0).max())


def holds(number):
    return number >= 0.4
