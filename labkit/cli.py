"""The single entrypoint. Light: a TAB imports this file and Hydra, nothing else."""

from __future__ import annotations

import os
import sys
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from labkit.compose import CONF, explain, register_resolvers

register_resolvers()


@hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")
def _entry(config: DictConfig) -> Any:
    from hydra.core.hydra_config import HydraConfig

    from labkit.tasks.dispatch import dispatch

    return dispatch(config, list(HydraConfig.get().overrides.task))


def main() -> None:
    """Run the command line; exit code 0, 2 after the user's mistake (one sentence on stderr), 1 after any other."""
    wants_traces = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and this is where a mistake becomes one sentence
    try:
        _entry()
    except KeyboardInterrupt:
        sys.exit(130)
    except (HydraException, OmegaConfBaseException) as error:
        if wants_traces:
            raise
        _refuse(explain(error))
    except ValueError as error:
        from labkit.config import ConfigError

        if wants_traces or not isinstance(error, ConfigError):
            raise
        _refuse(str(error))


def _refuse(sentence: str) -> None:
    print(f"labkit: {sentence}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
