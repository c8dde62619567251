"""Sentences about a data set and its split for every run on them: samples left out, classes joined, copies found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labkit.data.dataset import Dataset, listed
from labkit.preprocess.overlap import WORTH_A_WARNING, Overlap


def remarks(dataset: Dataset, missing: Mapping[str, Sequence[str]], overlaps: Sequence[Overlap]) -> tuple[str, ...]:
    """Return one sentence, without its full stop, for each thing that a reader of the results must know.

    Args:
        dataset: Data set, whose own notes come first.
        missing: Names of the classes without a sample, by part, as `split.missing_classes` returns them.
        overlaps: Overlaps of the parts; only those above 1% of their part get a sentence.
    """
    repeated = [str(overlap) for overlap in overlaps if overlap.share > WORTH_A_WARNING]
    seen = [f"also in the training part: {'; '.join(repeated)}"] if repeated else []
    return (*dataset.notes, *_missing(missing), *seen)


def _missing(missing: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a sentence for each set of missing classes; parts that miss the same ones share it."""
    parts: dict[tuple[str, ...], list[str]] = {}
    for part, names in missing.items():
        parts.setdefault(tuple(names), []).append(part)
    return [
        f"no sample of {'class' if len(names) == 1 else f'{len(names)} classes'} {listed(names)} in the "
        f"{' and the '.join(own)} part: precision and recall there are means over the other classes"
        for names, own in parts.items()
    ]
