"""Hydra's own contract suites for plugins, on our launcher and our sweepers and on the pairs that make sense."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.test_utils.launcher_common_tests import (
    BatchedSweeperTestSuite,
    IntegrationTestSuite,
    LauncherTestSuite,
)
from hydra.version import VersionBase, __compat_version__

pytestmark = pytest.mark.filterwarnings("ignore:\\s*Future Hydra versions")  # Hydra's own suites do not say chdir


@pytest.fixture(autouse=True)
def oldest_compatibility() -> Iterator[None]:
    """What Hydra's suites assume; another test of this process may have asked for newer behaviour."""
    before = VersionBase.instance().getbase()
    VersionBase.instance().setbase(__compat_version__)
    yield
    VersionBase.instance().version_base = before


def test_hydra_finds_the_plugins() -> None:
    names = {plugin.__name__ for kind in (Launcher, Sweeper) for plugin in Plugins.instance().discover(kind)}
    assert {"PopulationLauncher", "GridSweeper", "OptunaSweeper"} <= names


@pytest.mark.parametrize(
    ("launcher_name", "overrides"),
    [
        ("population", []),
        ("population", ["hydra/sweeper=grid"]),
        ("basic", ["hydra/sweeper=grid"]),
    ],
)
class TestLauncher(LauncherTestSuite):
    """Hydra's contract for launchers."""


@pytest.mark.parametrize(
    ("launcher_name", "overrides"),
    [("population", ["hydra/sweeper=grid", "hydra.sweeper.max_batch_size=2"])],
)
class TestBatches(BatchedSweeperTestSuite):
    """Hydra's contract for sweepers that launch in batches."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [
        ({}, ["-m", "hydra/launcher=population"]),
        ({}, ["-m", "hydra/launcher=population", "hydra/sweeper=grid"]),
        ({}, ["-m", "hydra/sweeper=grid"]),
    ],
)
class TestIntegration(IntegrationTestSuite):
    """Hydra's contract for whole programs."""
