"""A real PostgreSQL behind MLflow and Optuna: eight processes at once, nothing lost and nothing twice.

The server's programs are Debian's (`apt-get install postgresql`), the driver is the extra `postgresql`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from labkit.tracking.client import MlflowTracker
from labkit.tracking.reading import runs
from labkit.tracking.rows import RunRow
from labkit.tracking.store import TrackingError

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: float(path.parent.name))
PROCESSES, RUNS = 8, 25  # 200 runs in all
STEPS = 5

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAMS is None, reason="needs a PostgreSQL server: apt-get install postgresql"),
    pytest.mark.skipif(find_spec("psycopg") is None, reason="needs the extra: pip install 'labkit[postgresql]'"),
]

TRACK = """
import os, sys
from labkit.tracking.client import MlflowTracker
from labkit.tracking.store import default_store
from pathlib import Path

process, count, steps, parent = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
facts = {"name": "digits", "digest": "abc", "source": "embedded"}
with MlflowTracker(*default_store(Path.cwd())) as tracker:
    for number in range(count):
        name = f"{process}-{number}"
        run = tracker.start_run("lab", name, {"seed": name}, {"labkit.seed": name}, facts, parent_run_id=parent)
        for step in range(steps):
            run.log(step, {"val/accuracy": step + 0.25, "val/loss": float(process)})
        run.artifact_text("config.yaml", name)
        run.finish("FINISHED")
        tracker.settle()
"""
SEARCH = """
import sys
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(storage=sys.argv[1], study_name="lr", load_if_exists=True)
done = 0
while done < int(sys.argv[2]):
    trial = study.ask()
    lr = trial.suggest_float("lr", 1e-4, 1.0, log=True)
    trial.report(lr, 1)
    study.tell(trial, lr)
    done += 1
"""


class Server:
    """A PostgreSQL server of its own in a folder of its own; `stop` and `start` as often as wanted."""

    def __init__(self, folder: Path, port: int) -> None:
        self.data, self.port = folder / "data", port
        # initdb refuses to run as root
        self._user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
        if self._user:
            shutil.chown(folder, "nobody")
            folder.chmod(0o755)
        self._do("initdb", "-D", str(self.data), "-A", "trust", "-U", "labkit", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        """Returns when it answers."""
        options = f"-p {self.port} -k {self.data} -h 127.0.0.1"
        self._do("pg_ctl", "-D", str(self.data), "-l", str(self.data / "log"), "-w", "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """End every connection and the server."""
        self._do("pg_ctl", "-D", str(self.data), "-w", "-m", mode, "stop")

    def database(self, name: str) -> str:
        """The URI of a new database."""
        self._do("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "labkit", name)
        return f"postgresql://labkit@127.0.0.1:{self.port}/{name}"

    def _do(self, program: str, *words: str) -> None:
        assert PROGRAMS is not None
        command = [str(PROGRAMS / program), *words]
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(command, cwd="/", stdout=said, stderr=said, timeout=60, check=False, **self._user)
            said.seek(0)
            assert done.returncode == 0, said.read().decode()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if os.getuid() == 0:
        pwd.getpwnam("nobody")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="labkit-pg-", ignore_cleanup_errors=True) as folder:
        started = Server(Path(folder), port)
        started.start()
        yield started
        started.stop("immediate")


def at_once(script: str, arguments: list[list[str]], environment: Mapping[str, str], folder: Path) -> None:
    """One process per list of arguments, all at once; each must end well."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for words in arguments
    ]
    said = [process.communicate(timeout=400)[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(running), said


def stored(uri: str) -> tuple[list[RunRow], dict[str, dict[str, list[tuple[int, float]]]]]:
    """All runs, and the curves of each by its id; read by a writer, whose connections end with it."""
    keys = ["val/accuracy", "val/loss"]
    with MlflowTracker(uri, "unused") as tracker:
        found = tracker.find()
        ids = [row.run_id for row in found]
        return found, dict(zip(ids, tracker.histories(ids, keys), strict=True))


@pytest.fixture
def environment(clean_environment: dict[str, str]) -> dict[str, str]:
    return {**clean_environment, "PYTHONPATH": str(Path(__file__).parents[2])}


def test_nothing_is_lost_and_nothing_is_twice_in_mlflow(
    server: Server, environment: dict[str, str], tmp_path: Path
) -> None:
    """The processes meet in an empty database: one of them makes the tables, the experiment and the data set."""
    uri = server.database("mlflow")
    variables = {**environment, "MLFLOW_TRACKING_URI": uri}
    at_once(TRACK, [[str(p), str(RUNS), str(STEPS), "parent"] for p in range(PROCESSES)], variables, tmp_path)
    found, curves = stored(uri)
    names = Counter(row.name for row in found)
    assert names == {f"{p}-{n}": 1 for p in range(PROCESSES) for n in range(RUNS)}
    for row in found:
        assert (row.status, row.experiment, row.parent) == ("FINISHED", "lab", "parent")
        assert row.params["seed"] == row.tags["labkit.seed"] == row.name
        assert curves[row.run_id] == {
            "val/accuracy": [(step, step + 0.25) for step in range(STEPS)],
            "val/loss": [(step, float(row.name.partition("-")[0])) for step in range(STEPS)],
        }
    texts = [path.read_text() for path in (tmp_path / "mlruns" / "artifacts").rglob("config.yaml")]
    assert Counter(texts) == names


def test_nothing_is_lost_and_nothing_is_twice_in_optuna(
    server: Server, environment: dict[str, str], tmp_path: Path
) -> None:
    import optuna

    uri = server.database("optuna")
    storage = optuna.storages.RDBStorage(uri)
    study = optuna.create_study(storage=storage, study_name="lr")
    at_once(SEARCH, [[uri, str(RUNS)]] * PROCESSES, environment, tmp_path)
    trials = study.trials
    storage.remove_session()
    storage.engine.dispose()
    assert sorted(trial.number for trial in trials) == list(range(PROCESSES * RUNS))
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    for trial in trials:
        assert trial.value == trial.params["lr"] == trial.intermediate_values[1]


def test_a_restart_of_the_server_loses_nothing(server: Server, environment: dict[str, str], tmp_path: Path) -> None:
    """Values wait in the writer until the server is back; broken connections are replaced."""
    uri = server.database("restarted")
    with MlflowTracker(uri, tmp_path) as tracker:
        run = tracker.start_run("lab", "survivor")
        run.log(0, {"val/loss": 1.0})
        tracker.settle()
        server.stop()
        run.log(1, {"val/loss": 0.5})
        server.start()
        run.log(2, {"val/loss": 0.25})
        run.finish("FINISHED")
    (row,), curves = stored(uri)
    assert row.status == "FINISHED"
    assert curves[row.run_id]["val/loss"] == [(0, 1.0), (1, 0.5), (2, 0.25)]


def test_a_database_that_is_not_there_is_said_in_a_sentence(server: Server) -> None:
    with pytest.raises(TrackingError, match=r'tracking store .*database "nowhere" does not exist') as caught:
        runs(f"postgresql://labkit:secret@127.0.0.1:{server.port}/nowhere")
    assert "secret" not in str(caught.value)


def test_two_commands_in_an_empty_database(server: Server, environment: dict[str, str], tmp_path: Path) -> None:
    """The command line itself: both see tables, experiment and data set that only one of them may make."""
    uri = server.database("commands")
    folders = [tmp_path / name for name in ("a", "b")]
    running = []
    for folder in folders:
        folder.mkdir()
        command = [sys.executable, "-m", "labkit", "-m", "seed=0,1", "trainer.epochs=1", f"name={folder.name}"]
        variables = {**environment, "MLFLOW_TRACKING_URI": uri}
        running.append(subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.DEVNULL))
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    found, _ = stored(uri)
    assert Counter(row.name for row in found if row.parent) == {"a": 2, "b": 2}
    assert {row.status for row in found} == {"FINISHED"}
    parents = {row.run_id: row.name for row in found if row.parent is None}
    assert all(parents[row.parent] == row.name for row in found if row.parent)
