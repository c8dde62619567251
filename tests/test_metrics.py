"""Metrics against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from labkit.metrics import classification, confusion_matrices, gradient_l1, never_predicted


@st.composite
def predictions(draw: st.DrawFn) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of classes, predictions `(M, B)` and labels `(G, B)`."""
    classes, members, size = draw(st.integers(2, 6)), draw(st.integers(1, 3)), draw(st.integers(1, 30))
    groups = draw(st.sampled_from([1, members]))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    seen = draw(st.integers(1, classes))  # some classes may never occur
    return classes, rng.integers(seen, size=(members, size)), rng.integers(classes, size=(groups, size))


@given(predictions())
@settings(max_examples=60, deadline=None)
def test_scikit_learn_agrees(case: tuple[int, np.ndarray, np.ndarray]) -> None:
    classes, predicted, labels = case
    confusion = confusion_matrices(torch.from_numpy(predicted), torch.from_numpy(labels), classes)
    found = classification(confusion)
    for m, own in enumerate(predicted):
        truth = labels[m % len(labels)]
        macro = {"labels": np.unique(truth), "average": "macro", "zero_division": 0}
        assert (confusion[m].numpy() == sk.confusion_matrix(truth, own, labels=range(classes))).all()
        assert found["accuracy"][m].item() == pytest.approx(sk.accuracy_score(truth, own))
        assert found["precision"][m].item() == pytest.approx(sk.precision_score(truth, own, **macro))
        assert found["recall"][m].item() == pytest.approx(sk.recall_score(truth, own, **macro))


def test_a_collapsed_predictor_on_ten_balanced_classes() -> None:
    labels = torch.arange(10).repeat(7).unsqueeze(0)
    confusion = confusion_matrices(torch.full_like(labels, 3), labels, 10)
    found = {name: value.item() for name, value in classification(confusion).items()}
    assert found == pytest.approx({"accuracy": 0.1, "precision": 0.01, "recall": 0.1})
    names = [f"class {k}" for k in range(10)]
    assert never_predicted(confusion[0], names) == [name for name in names if name != "class 3"]


def test_a_class_without_a_sample_is_left_out_and_one_never_predicted_counts_0() -> None:
    """Three classes: 0 is half found, 1 never predicted, 2 has no sample; then the same with 2 predicted once."""
    labels = torch.tensor([[0, 0, 1, 1]])
    found = classification(confusion_matrices(torch.tensor([[0, 0, 0, 0], [0, 0, 0, 2]]), labels, 3))
    assert found["precision"].tolist() == pytest.approx([(2 / 4 + 0) / 2, (2 / 3 + 0) / 2])
    assert found["recall"].tolist() == [0.5, 0.5]
    assert sk.precision_score([0, 0, 1, 1], [0, 0, 0, 0], average="macro", zero_division=0) == 0.25  # its own default
    assert sk.recall_score([0, 0, 1, 1], [0, 0, 0, 2], average="macro", zero_division=0) == pytest.approx(1 / 3)


def test_where_every_class_has_a_sample_no_bit_changes() -> None:
    """The mean over all K classes, as earlier versions took it."""
    confusion = torch.randint(1, 99, (5, 7, 7), generator=torch.Generator().manual_seed(0))
    found, counts = classification(confusion), confusion.double()
    hits = counts.diagonal(dim1=-2, dim2=-1)
    assert torch.equal(found["precision"], (hits / counts.sum(-2)).mean(-1))
    assert torch.equal(found["recall"], (hits / counts.sum(-1)).mean(-1))
    assert torch.equal(found["accuracy"], hits.sum(-1) / counts.sum((-2, -1)))


def test_gradient_l1_per_layer_and_member() -> None:
    """Sums over two updates of |gradient|: a layer of a weight and a bias, and one of a weight alone."""
    sizes = [torch.tensor([[[1.0, 2.0]], [[0.0, 3.0]]]), torch.tensor([[1.0], [0.5]]), torch.ones(2, 2)]
    assert gradient_l1(sizes, {"linear_1": [0, 1], "linear_2": [2]}, updates=2) == [
        {"linear_1": 2.0, "linear_2": 1.0, "total": 3.0, "mean": 1.5},
        {"linear_1": 1.75, "linear_2": 1.0, "total": 2.75, "mean": 1.375},
    ]
