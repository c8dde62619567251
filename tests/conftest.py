"""What several files of tests need: the command line without a process of its own, and in one."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import pytest

# A shell starts its background jobs with Ctrl-C ignored, and they would hand that on to the commands under test.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Answer:
    """What a command left behind: exit code, both outputs, and the files in the folder it ran in."""

    code: int
    out: str
    err: str
    files: list[str]


Command = Callable[..., Answer]


def pytest_configure(config: pytest.Config) -> None:
    """Keep what is measured of this machine apart from the user's own; workers take the folder over."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="labkit-tests-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        os.environ.setdefault("MPLCONFIGDIR", matplotlib.get_configdir())  # its list of fonts takes seconds to make
        os.environ["XDG_CACHE_HOME"] = folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files of few long tests: at the end one of them would keep a worker busy while others wait."""
    items.sort(key=lambda item: item.path.parent.name not in ("e2e", "tracking", "labs"))  # else in their order


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


@pytest.fixture(scope="session")
def warm_writers() -> Callable[[], AbstractContextManager[None]]:
    """`with warm_writers():` a tracker's writer comes with its imports."""
    from labkit.tracking import line
    from tests.warm_writer import WarmWriter

    @contextmanager
    def warm() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(line, "subprocess", SimpleNamespace(Popen=WarmWriter, PIPE=None, STDOUT=None))
            yield

    return warm


def in_this_process(words: Sequence[str], folder: Path) -> Answer:
    """The command line in this process: without two seconds of imports, and without a writer started early."""
    from hydra._internal.hydra import Hydra
    from hydra.core.global_hydra import GlobalHydra

    from labkit import cli
    from labkit.tracking import session

    said = any(word.startswith(("sweeps=", "seeds=", "hydra.mode=", "-cd")) for word in words)
    GlobalHydra.instance().clear()
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    code: object = 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(session, "start_writer", lambda config: None)
        patch.setattr(sys, "argv", ["labkit", *words])
        _unset(patch, "HYDRA_FULL_ERROR")
        if not said:  # Hydra composes all only to find its mode, null where nothing says it
            patch.setattr(Hydra, "get_mode", lambda *args, **kwargs: None)
        try:
            cli.main()
        except SystemExit as left:
            code = left.code or 0
    assert isinstance(code, int)
    return Answer(code, *(stream.buffer.getvalue().decode() for stream in (out, err)), files_in(folder))


SETTINGS = ("LABKIT_DATA", "MLFLOW_TRACKING_URI", "LABKIT_PARENT_RUN")


@pytest.fixture
def labkit(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, warm_writers: Any
) -> Iterator[Command]:
    """`labkit(*words)` in this process, in an empty folder."""
    folder = tmp_path_factory.mktemp("empty")
    monkeypatch.chdir(folder)
    _unset(monkeypatch, *SETTINGS)
    with warm_writers():
        yield lambda *words: in_this_process(words, folder)
        _let_go()


@pytest.fixture(scope="session")
def labkit_in(warm_writers: Any) -> Command:
    """`labkit_in(*words, cwd=folder)` in this process: what several tests of a file look at."""

    def command(*words: str, cwd: Path) -> Answer:
        with pytest.MonkeyPatch.context() as patch, warm_writers():
            patch.chdir(cwd)
            _unset(patch, *SETTINGS)
            answer = in_this_process(words, cwd)
            _let_go()
        return answer

    return command


def _unset(patch: pytest.MonkeyPatch, *names: str) -> None:
    """Take variables out of the environment; what a command sets is undone too."""
    for name in names:
        patch.setenv(name, "")
        patch.delenv(name)


def _let_go() -> None:
    from hydra.core.global_hydra import GlobalHydra

    from labkit.tracking import session

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
