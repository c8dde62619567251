"""The keys in which the members of one population may differ, as the shipped constructors mark them."""

from __future__ import annotations

from labkit.config import memberwise
from labkit.shipped import constructors, groups

MEMBERWISE = frozenset(
    {"seed"} | {f"{g}.{key}" for g in groups() for target in constructors(g) for key in memberwise(g, target)}
)
