"""Metrics of stored runs: shares, positive or any numbers, which way they are better, the finest step they take."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from labkit.tracking import tag
from labkit.tracking.rows import RunRow

Scale = Literal["share", "positive", "real"]

_SHARES = ("accuracy", "precision", "recall")
_POSITIVE = re.compile(r"time/|grad_l1/|lr$|.*/(loss|cost)$")


def is_share(metric: str) -> bool:
    """Return whether a metric is a share of samples, shown in per cent."""
    return metric.endswith(_SHARES)


def is_maximised(metric: str) -> bool:
    """Return whether a metric is better the higher it is: all but losses, costs and times."""
    return not metric.startswith("time/") and not metric.endswith(("/loss", "/cost"))


def scale(metric: str) -> Scale:
    """The values that a metric can have: `share` 0 to 1, `positive` 0 and more, `real` any."""
    if is_share(metric) or metric.startswith("saturated/"):
        return "share"
    return "positive" if _POSITIVE.match(metric) else "real"


def samples_text(**parts: int) -> str:
    """The size of each part as the tag `labkit.samples` holds it."""
    return " ".join(f"{part}={count}" for part, count in parts.items())


def resolution(rows: Iterable[RunRow], metric: str) -> float:
    """Return the step by which one sample moves a share: 1/n, of the smallest part among some runs.

    A macro average moves by about as much where the classes are of one size. 0 for what is no share, and where no run
    says how large its part is, as those of earlier versions do not.
    """
    if not is_share(metric):
        return 0.0
    part = metric.partition("/")[0]
    texts = (row.tags.get(tag.SAMPLES, "") for row in rows)
    sizes = [int(size[1]) for text in texts if (size := re.search(rf"\b{re.escape(part)}=([1-9]\d*)\b", text))]
    return 1 / min(sizes) if sizes else 0.0
