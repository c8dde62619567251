"""What a metric is: a share, a quantity that is never negative, or any number; and the finest step it can take."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

Scale = Literal["share", "positive", "real"]

SAMPLES = "labkit.samples"  # the tag of a run that holds the size of each part: `train=1132 val=126 test=539`
_SHARES = ("accuracy", "precision", "recall")
_POSITIVE = re.compile(r"time/|grad_l1/|lr$|.*/(loss|cost)$")


def is_share(metric: str) -> bool:
    """Whether a metric is a share of samples, shown in per cent."""
    return metric.endswith(_SHARES)


def scale(metric: str) -> Scale:
    """The values that a metric can have: `share` 0 to 1, `positive` 0 and more, `real` any."""
    if is_share(metric) or metric.startswith("saturated/"):
        return "share"
    return "positive" if _POSITIVE.match(metric) else "real"


def samples_text(**parts: int) -> str:
    """The size of each part as the tag `labkit.samples` holds it."""
    return " ".join(f"{part}={count}" for part, count in parts.items())


def resolution(rows: Iterable[Mapping[str, Any]], metric: str) -> float:
    """Return the step by which one sample moves a share: 1/n, of the smallest part among some runs.

    A macro average moves by about as much where the classes are of one size. 0 for what is no share, and where no run
    says how large its part is, as those of earlier versions do not.
    """
    if not is_share(metric):
        return 0.0
    part = metric.partition("/")[0]
    texts = ((row.get("tags") or {}).get(SAMPLES, "") for row in rows)
    sizes = [int(size[1]) for text in texts if (size := re.search(rf"\b{re.escape(part)}=([1-9]\d*)\b", text))]
    return 1 / min(sizes) if sizes else 0.0
