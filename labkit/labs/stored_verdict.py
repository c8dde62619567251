"""Verdicts read back from `claims.json` of a part's record, those of earlier versions included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from labkit.labs.schema import Claim
from labkit.labs.verdict import Verdict
from labkit.report.statistics import FEWEST, Interval, interval
from labkit.tracking.quantities import scale


@checked(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class HalfWidthVerdict:
    """A verdict of an earlier version, which kept half the width of its interval instead of the two ends.

    Attributes:
        half_width: Half the width of the 95% interval, in the metric's unit; None or 0 where there is none.
    """

    claim: Claim
    found: float
    deviation: float | None
    half_width: float | None
    n: int
    tried: int
    holds: bool | None
    reached: bool | None
    run_ids: tuple[str, ...]


_STORED = TypeAdapter(Verdict)
_STORED_EARLIER = TypeAdapter(HalfWidthVerdict)


def stored_verdict(plain: Mapping[str, object]) -> Verdict:
    """Return a verdict from stored JSON.

    Raises:
        ValueError: It lacks a key, has another one, or a value of another type.
    """
    if "half_width" in plain:
        return _with_ends(_STORED_EARLIER.validate_python(plain))
    return _STORED.validate_python(plain)


def _with_ends(old: HalfWidthVerdict) -> Verdict:
    """Return an earlier version's verdict by today's rule: a difference without an interval cannot be told."""
    ends = _ends(old, old.half_width) if old.half_width and old.n >= FEWEST else None
    kept = Verdict(
        claim=old.claim,
        found=old.found,
        deviation=old.deviation,
        interval=ends,
        n=old.n,
        tried=old.tried,
        holds=old.holds,
        reached=old.reached,
        run_ids=old.run_ids,
    )
    if not old.claim.paired or ends is not None:
        return kept
    return replace(kept, holds=None if old.holds else old.holds, reached=None if old.reached else old.reached)


def _ends(old: HalfWidthVerdict, half: float) -> Interval | None:
    """Return the ends of a difference's interval; those of a mean anew, within what its metric can be."""
    if old.claim.paired:
        return old.found - half, old.found + half
    return interval(old.found, old.deviation, old.n, scale(old.claim.metric))
