"""The definition of a part: a hash of all that it trains.

A record of the part is found again by it, and a part that has changed since is told from one that has not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from labkit.compose import compose
from labkit.config import NUMERICS_VERSION
from labkit.labs.command import MULTIRUN
from labkit.labs.schema import Lab
from labkit.runs.identity import without_places
from labkit.runs.plan import resolved
from labkit.words import merged


def definition(lab: Lab, part: str, profile: str, given: Sequence[str] = (), given_sha256: str = "") -> str:
    """Return a hash of what the steps of a part compose in a profile, and of the earlier parts whose winners they take.

    Titles, claims and comments are not in it: they change what is read, not what is trained. `trainer.precision=fast`
    is in it as that word, which may come to something else on another machine.

    Args:
        lab: Lab of the part.
        part: Name of the part.
        profile: Profile.
        given: Words that name another data set, which all steps get; () for none.
        given_sha256: Hash of that data set; "" for none.

    Returns:
        The first 16 hexadecimal digits of a SHA-256.

    Raises:
        ConfigError: A command of the part does not compose.
    """
    own = lab.parts[part]
    steps = {
        name: [
            composition(merged([word for word in step.run if word != MULTIRUN], step.of_profile(profile), given)),
            [asdict(reference) for reference in step.references(profile)],
        ]
        for name, step in own.of_profile(profile).items()
    }
    of_kinds = own.accepts.words if own.accepts and given else {}
    earlier = [definition(lab, name, profile, given, given_sha256) for name in lab.required_parts(part, profile)]
    content = json.dumps([steps, of_kinds, given_sha256, earlier, NUMERICS_VERSION])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


@cache
def composition(words: tuple[str, ...]) -> str:
    """Return what a command line composes, as JSON: the configuration, what is swept, and how.

    The launcher is left out, and so are paths: neither changes a number.
    """
    trained = [word for word in words if not word.startswith("hydra/launcher=")]
    overrides = OverridesParser.create().parse_overrides(trained)
    fixed = [str(one.input_line) for one in overrides if not one.is_sweep_override()]
    swept = [str(one.input_line) for one in overrides if one.is_sweep_override()]
    config = compose(fixed)
    sweeper = OmegaConf.to_container(config.hydra.sweeper, resolve=False)
    return json.dumps([without_places(resolved(config)), swept, sweeper], sort_keys=True)
