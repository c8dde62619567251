"""Times as people write them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return seconds as people write them: 0:07, 1:05, 2:03:04."""
    whole = max(round(seconds), 0)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def per_step(seconds: float) -> str:
    """Return the time of one step, given in seconds, with three digits and its unit: 85.2 us, 1.13 ms, 2.50 s."""
    for unit, scale in (("us", 1e-6), ("ms", 1e-3), ("s", 1.0)):
        if seconds < 999.5 * scale or unit == "s":
            break
    value = seconds / scale
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"
