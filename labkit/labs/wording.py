"""The sentence of a claim in one profile, on one data set, filled in from what its step composes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from hydra.core.override_parser.overrides_parser import OverridesParser

from labkit.compose import compose
from labkit.labs.command import MULTIRUN
from labkit.labs.schema import Band, Claim
from labkit.report.cells import is_percent


def claim_in_words(claim: Claim, profile: str, words: Sequence[str]) -> Claim:
    """Return a claim with its sentence of a profile; a statement that nothing judges there becomes a question.

    In braces a sentence may have `data_set`, the option of `data`; `seeds`, as `5 seeds`; `low` and `high`, the ends of
    the profile's band; and any key of the composed configuration, such as `trainer.epochs`.

    Args:
        claim: Claim with the bands that apply.
        profile: Profile.
        words: Command line of the claim's step in the profile.
    """
    text = claim.says_in.get(profile, claim.says)  # type: ignore[call-overload]
    if "{" in text:
        text = text.format_map({**facts(tuple(words)), **ends(claim, claim.band(profile))})
    judged = claim.band(profile) is not None or claim.goal is not None
    return replace(claim, says=text if judged or text.endswith("?") else f"{text}?", says_in={})


@cache
def facts(words: tuple[str, ...]) -> Mapping[str, object]:
    """Return what a sentence may name: the configuration that a step composes, with `data_set` and `seeds` in words."""
    overrides = OverridesParser.create().parse_overrides([word for word in words if word != MULTIRUN])
    config = compose([str(one.input_line) for one in overrides if not one.is_sweep_override()])
    swept = {one.get_key_element(): list(one.sweep_string_iterator()) for one in overrides if one.is_sweep_override()}
    seeds = config.seeds or len(swept.get("seed", [""]))
    named = {"data_set": config.hydra.runtime.choices["data"], "seeds": "1 seed" if seeds == 1 else f"{seeds} seeds"}
    return {**{str(key): value for key, value in config.items()}, **named}


def ends(claim: Claim, band: Band | None) -> dict[str, str]:
    """Return the ends of a band, `low` and `high`, as a sentence writes them: `97.5%`, `1.5`."""
    named = zip(("low", "high"), band or (None, None), strict=True)
    percent = is_percent(claim.metric)
    return {name: f"{100 * end:g}%" if percent else f"{end:g}" for name, end in named if end is not None}
