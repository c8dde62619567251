"""The outcome of one check: what was measured, what was expected, and how much of the tolerance it took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckVerdict:
    """One line of the table.

    Attributes:
        test: Name of the test, one of `labkit.checks.suite.TESTS`.
        subject: Layer, loss, network or model under test.
        variable: Variables that were tested, `W`, `b`, `scale`, `x`, `all`; or what else tells one line from another.
        brief: Measured number alone, for a table with a column for each test.
        measured: Measured numbers, in words.
        expected: Numbers that they have to be, in words.
        share: Part of the tolerance that was used; above 1, or NaN, the check has failed.
        note: Words that a reader needs to judge it; "" for none.
    """

    test: str
    subject: str
    variable: str
    brief: str
    measured: str
    expected: str
    share: float
    note: str = ""

    @property
    def passed(self) -> bool:
        """True where the tolerance was kept; NaN never keeps one."""
        return self.share <= 1
