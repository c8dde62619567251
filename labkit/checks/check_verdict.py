"""The outcome of one check: what was measured, what was expected, and how much of the tolerance it took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckVerdict:
    """One line of the table.

    Attributes:
        test: name of the test, one of `labkit.checks.suite.TESTS`.
        subject: the layer, loss, network or model under test.
        variable: in which variables: `W`, `b`, `scale`, `x`, `all`; or what else tells lines of one subject apart.
        brief: the measured number alone, for a table with a column for each test.
        measured: the measured numbers, in words.
        expected: what they have to be.
        share: the part of the tolerance that was used; above 1, or NaN, the check has failed.
        note: what a reader must know to judge it; "" for nothing.
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
        """Whether the tolerance was kept; NaN never keeps one."""
        return self.share <= 1
