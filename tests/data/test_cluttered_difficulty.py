"""How hard `cluttered_digits` is: a tuned two-layer sigmoid net fails on it, a small convolutional net does not.

Plain torch, one thread, nothing of labkit but the data. As a script it prints the table in the docstring of
`labkit/data/cluttered_digits.py`: `python tests/data/test_cluttered_difficulty.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from labkit.data.cluttered_digits import cluttered_digits

Samples = dict[str, tuple[torch.Tensor, torch.Tensor]]


def load() -> Samples:
    """Default set, normalised per feature over the training part."""
    dataset = cluttered_digits()
    features = torch.from_numpy(dataset.features).float() / 255
    labels = torch.from_numpy(dataset.labels)
    parts = {part: torch.from_numpy(indices) for part, indices in dataset.splits.items()}
    train = features[parts["train"]]
    features = (features - train.mean(0)) / train.std(0)
    return {part: (features[indices], labels[indices]) for part, indices in parts.items()}


def two_layer() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 100), nn.Sigmoid(), nn.Linear(100, 10))


def convolutional() -> nn.Module:
    """27,418 parameters."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 48, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(48 * 4 * 4, 10),
    )


def accuracy(net: nn.Module, samples: tuple[torch.Tensor, torch.Tensor]) -> float:
    features, labels = samples
    with torch.no_grad():
        return float((net(features).argmax(1) == labels).float().mean())


def trained(make: Callable[[], nn.Module], rate: float, epochs: int, parts: Samples) -> tuple[float, float, float]:
    """Training, validation and test accuracy after the last epoch: SGD with momentum 0.9, batches of 50."""
    torch.manual_seed(0)
    net = make()
    rule = torch.optim.SGD(net.parameters(), rate, momentum=0.9)
    features, labels = parts["train"]
    for _ in range(epochs):
        for batch in torch.randperm(len(labels)).split(50):
            rule.zero_grad()
            functional.cross_entropy(net(features[batch]), labels[batch]).backward()
            rule.step()
    train, validation, test = (accuracy(net, parts[part]) for part in ("train", "validation", "test"))
    return train, validation, test


GRIDS: dict[Callable[[], nn.Module], tuple[int, tuple[float, ...]]] = {
    two_layer: (20, (0.001, 0.003, 0.01, 0.03, 0.1)),
    convolutional: (8, (0.01, 0.03)),
}


def tuned(make: Callable[[], nn.Module], parts: Samples) -> float:
    """Test accuracy at the learning rate with the best validation accuracy."""
    epochs, rates = GRIDS[make]
    results = {rate: trained(make, rate, epochs, parts) for rate in rates}
    for rate, (train, validation, test) in results.items():
        print(f"{make.__name__:14} lr {rate:<6} train {train:.3f}  validation {validation:.3f}  test {test:.3f}")
    return max(results.values(), key=lambda result: result[1])[2]


@pytest.mark.slow
def test_a_tuned_two_layer_net_fails_and_a_small_convolutional_net_does_not() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        parts = load()
        assert tuned(two_layer, parts) < 0.5
        assert tuned(convolutional, parts) > 0.75
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    test_a_tuned_two_layer_net_fails_and_a_small_convolutional_net_does_not()
