"""Symptoms in the numbers of a run that has ended: one rule each, from numbers to a sentence with one thing to do.

The thresholds are the constants below; each sentence begins with its kind and a colon, by which a sweep counts them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Standardised features have a root mean square of 1, images scaled to 0..1 less; from here on a first layer's sums grow
# large enough to saturate its units or to drive the loss up, at initial weights meant for 1.
_LARGE = 3.0
_HARDLY = 0.05  # relative fall of a loss that hardly fell, and relative movement of weights that hardly moved
_FAR = 1.0  # relative movement of weights below which a rate was not so large that nothing settles
_GAP = 0.20  # training less validation accuracy
_SURE = 3.0  # standard errors of the validation accuracy that the gap must exceed as well
_GUESSING = 2.0  # standard errors above the share of the largest class within which an accuracy is that of guessing
_RISEN = 1.1  # last over lowest validation loss
_ROSE = 1.5  # last over first training loss

_NAMES = {"train": "training", "val": "validation"}


@dataclass(frozen=True)
class Features:
    """The size of the training features, as the network sees them."""

    mean_absolute: float
    largest: float
    root_mean_square: float


@dataclass(frozen=True)
class Seen:
    """Numbers of a run that has ended.

    Attributes:
        history: (updates done, metrics) rows.
        n_classes: K.
        samples: part (`train`, `val`) -> how many it has.
        guess: part -> share of its largest class, the accuracy of always naming that one.
        rate: the highest learning rate.
        moved: bound on how far all updates together moved the weights of any layer, relative to their size, as the
            gradients of epoch 1 and the rule give it; None if unknown.
        features: Features of the training part; None where they are no numbers.
        ended: update at which it stopped before its end; None if it did not.
        diverged: True where a loss was not finite.
        pruned: True where its search gave it up.
        patience: evaluations without a lower `val/loss` that end it; None: never.
    """

    history: Sequence[tuple[int, Mapping[str, float]]]
    n_classes: int
    samples: Mapping[str, int]
    guess: Mapping[str, float]
    rate: float = 0.0
    moved: float | None = None
    features: Features | None = None
    ended: int | None = None
    diverged: bool = False
    pruned: bool = False
    patience: int | None = None


def large_features(seen: Seen) -> str:
    """The features are so large that they come first, whatever the symptom."""
    size = seen.features
    if size is None or not size.root_mean_square > _LARGE:
        return ""
    facts = f"mean |x| {size.mean_absolute:.3g}, largest {size.largest:.3g}"
    return f"the features are large ({facts}): standardise them first, preprocess=normalise"


def divergence(seen: Seen) -> str:
    """A loss stopped being finite."""
    if not seen.diverged:
        return ""
    action = large_features(seen) or f"try a smaller learning rate than {seen.rate:g}"
    return f"diverged: the loss of update {seen.ended} is not finite; {action}"


def early_end(seen: Seen) -> str:
    """It stopped before its end: its search gave it up, or patience did."""
    if seen.ended is None or seen.diverged:
        return ""
    if seen.pruned:
        return f"pruned: its search gave it up after {seen.ended} updates"
    return (
        f"stopped early: val/loss no longer fell in {seen.patience} evaluations (trainer.patience), after "
        f"{seen.ended} updates"
    )


def too_slow(seen: Seen) -> str:
    """The loss hardly fell because the weights hardly moved."""
    losses = _losses(seen, part := _trained(seen))
    if len(losses) < 2 or seen.moved is None or not losses[0] > 0:
        return ""
    fell = (losses[0] - losses[-1]) / losses[0]
    if seen.moved >= _HARDLY or not abs(fell) < _HARDLY:
        return ""
    verb = "fell" if fell > 0 else "rose"
    times = 10 ** math.ceil(math.log10(0.5 / max(seen.moved, 1e-9)))
    return (
        f"too slow: the {_NAMES[part]} loss {verb} from {losses[0]:.4g} to {losses[-1]:.4g} ({abs(fell):.1%}), and all "
        f"updates together moved no layer's weights by more than {seen.moved:.1g} of their size; "
        f"try a learning rate about {times:,} times as large as {seen.rate:g}"
    )


def too_fast(seen: Seen) -> str:
    """The loss ended far above where it began, though something may have been learnt."""
    found = rise(seen)
    return f"too fast: {found}" if found else ""


def rise(seen: Seen) -> str:
    """The training loss ended far above where it began, and what to do; a validation loss may rise by overfitting."""
    losses = _losses(seen, "train")
    if len(losses) < 2 or not losses[-1] > _ROSE * losses[0]:
        return ""
    action = large_features(seen) or f"try a smaller learning rate than {seen.rate:g}"
    return f"the training loss rose from {losses[0]:.4g} to {losses[-1]:.4g}; {action}"


def dead(history: Sequence[tuple[int, Mapping[str, float]]], n_classes: int) -> str:
    """One sentence where the loss stayed within 1% of ln K, that of guessing, over the last half; else nothing.

    Args:
        history: (updates done, metrics) rows.
        n_classes: K.
    """
    part = "train" if any("train/loss" in row for step, row in history if step > 0) else "val"
    losses = [row[f"{part}/loss"] for _, row in history if f"{part}/loss" in row]
    trained = sum(step > 0 for step, row in history if f"{part}/loss" in row)
    # At least two: a loss on its way down passes ln K, and one that stays there has been there before.
    last = losses[-max(2, trained - trained // 2) :]
    chance = math.log(n_classes)
    if trained and len(last) > 1 and all(abs(loss - chance) < 0.01 * chance for loss in last):
        name = {"train": "training", "val": "validation"}[part]
        return f"dead network: the {name} loss stays at ln {n_classes} = {chance:.4f}, that of guessing"
    return ""


def not_learnt(seen: Seen) -> str:
    """The loss stays at ln K, or the accuracy is that of guessing the largest class."""
    if stays := dead(seen.history, seen.n_classes):
        return stays
    last = _last(seen)
    parts = [part for part in _NAMES if f"{part}/accuracy" in last and seen.samples.get(part)]
    found = [(last[f"{part}/accuracy"], seen.guess[part], seen.samples[part]) for part in parts]
    if not found or not all(_guessing(*one) for one in found):
        return ""
    accuracy, share, _ = found[-1]
    return (
        f"not learnt: {_NAMES[parts[-1]]} accuracy {accuracy:.2%} is that of guessing, always the largest class gives "
        f"{share:.2%}"
    )


def movement(seen: Seen) -> str:
    """Say what to do where nothing has been learnt though units and gradients are well; the way covered decides."""
    if seen.moved is not None and seen.moved < _FAR:
        return (
            f"all updates together moved no layer's weights by more than {seen.moved:.1g} of their size: train longer, "
            f"or with a larger learning rate than {seen.rate:g}"
        )
    return f"neither saturation nor a fading gradient: try a smaller learning rate than {seen.rate:g}"


def overfitting(seen: Seen) -> str:
    """The network knows its training samples and not the others."""
    last = _last(seen)
    if "train/accuracy" not in last or "val/accuracy" not in last or not seen.samples.get("val"):
        return ""
    train, val = last["train/accuracy"], last["val/accuracy"]
    if train - val < max(_GAP, _SURE * _error(val, seen.samples["val"])):
        return ""
    told = f"overfits: training accuracy {train:.2%}, validation accuracy {val:.2%}"
    losses = [(row["val/loss"], step) for step, row in seen.history if "val/loss" in row]
    lowest, step = min(losses, default=(math.nan, 0))
    if losses and losses[-1][0] > _RISEN * lowest:
        return (
            f"{told}; val/loss was lowest after {step} updates, {lowest:.4g}, and is {losses[-1][0]:.4g} now: "
            "try trainer.patience=3, which stops there"
        )
    return f"{told}; try a larger loss.l2"


def _trained(seen: Seen) -> str:
    """The part whose loss tells how training goes: `train`, or `val` where that was not evaluated."""
    return "train" if any("train/loss" in row for _, row in seen.history) else "val"


def _losses(seen: Seen, part: str) -> list[float]:
    return [row[f"{part}/loss"] for _, row in seen.history if f"{part}/loss" in row]


def _last(seen: Seen) -> Mapping[str, float]:
    """The last row that was evaluated on the training or validation part."""
    rows = (row for _, row in reversed(seen.history) if "val/accuracy" in row or "train/accuracy" in row)
    return next(rows, {})


def _guessing(accuracy: float, share: float, samples: int) -> bool:
    return accuracy <= share + _GUESSING * _error(share, samples)


def _error(share: float, samples: int) -> float:
    """Standard error of a share among so many samples."""
    return math.sqrt(share * (1 - share) / samples)
