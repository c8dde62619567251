"""What several files of tests need: the command line without a process of its own, and in one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest


@dataclass(frozen=True)
class Answer:
    """What a command left behind: exit code, both outputs, and the files in the folder it ran in."""

    code: int
    out: str
    err: str
    files: list[str]


Command = Callable[..., Answer]


def files_in(folder: Path) -> list[str]:
    """Every file and folder below, as relative paths."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(autouse=True, scope="module")
def one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tensors of the layers below the tasks are small in tests: a second thread only waits for the first."""
    if request.path.parent.name not in ("nn", "models", "optim", "engine", "principles"):
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def labkit(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """`labkit(*words)` in this process, in an empty folder: the command line without its two seconds of imports."""
    from hydra._internal.hydra import Hydra
    from hydra.core.global_hydra import GlobalHydra

    from labkit import cli
    from labkit.tracking import client, session
    from tests.warm_writer import WarmWriter

    folder = tmp_path_factory.mktemp("empty")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(session, "start_writer", lambda config: None)  # a process each time, for nothing
    popen = partial(WarmWriter, template=tmp_path_factory.getbasetemp() / "fresh_store.db")
    monkeypatch.setattr(client, "subprocess", SimpleNamespace(Popen=popen, PIPE=None, STDOUT=None))
    for name in ("LABKIT_DATA", "MLFLOW_TRACKING_URI", "HYDRA_FULL_ERROR", session.PARENT_RUN):
        monkeypatch.setenv(name, "")  # so that what a command sets is undone
        monkeypatch.delenv(name)

    get_mode = Hydra.get_mode

    def command(*words: str) -> Answer:
        said = any(word.startswith(("sweeps=", "seeds=", "hydra.mode=", "-cd")) for word in words)
        # Hydra composes all only to find its mode, null where nothing says it
        monkeypatch.setattr(Hydra, "get_mode", get_mode if said else lambda *args, **kwargs: None)
        GlobalHydra.instance().clear()
        os.environ.pop("HYDRA_FULL_ERROR", None)
        monkeypatch.setattr(sys, "argv", ["labkit", *words])
        capsys.readouterr()
        code: object = 0
        try:
            cli.main()
        except SystemExit as left:
            code = left.code or 0
        said = capsys.readouterr()
        assert isinstance(code, int)
        return Answer(code, said.out, said.err, files_in(folder))

    yield command
    session.close()
    GlobalHydra.instance().clear()


@pytest.fixture(scope="session")
def clean_environment() -> dict[str, str]:
    """For processes: one thread, a wide terminal, and nothing of the caller's settings of labkit and its libraries."""
    settings = ("LABKIT_", "MLFLOW_", "HYDRA_", "COMP_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
    return {**kept, "OMP_NUM_THREADS": "1", "COLUMNS": "140"}


@pytest.fixture(scope="session")
def process(clean_environment: dict[str, str]) -> Command:
    """`process(*words, cwd=folder, seconds=90, **variables)`: the command line in a process of its own."""

    def command(*words: str, cwd: Path, seconds: float = 90, **variables: str) -> Answer:
        done = subprocess.run(
            [sys.executable, "-m", "labkit", *words],
            cwd=cwd,
            env={**clean_environment, **variables},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr, files_in(cwd))

    return command
