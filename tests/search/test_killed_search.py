"""kill -9 in the middle of a search, for real: started again it ends where an undisturbed one would."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from labkit.config import ConfigError
from labkit.search.search import SearchResult, search
from tests.search.search_cases import Evaluator, definition

STAGES = {
    "coarse": {"sampler": "grid", "n_trials": 8, "n_jobs": 2},
    "fine": {"sampler": "random", "n_trials": 12, "n_jobs": 3, "zoom": True},
    "last": {"sampler": "tpe", "n_trials": 12, "n_jobs": 4, "zoom": True},
}
KEYS: dict[str, Any] = {"node": STAGES, "confirm": {"top": 2, "seeds": 2}, "final": True}
SCRIPT = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.search.search_cases import Evaluator
from tests.search.test_killed_search import KEYS, definition, search

asked = Evaluator()
def evaluate(*request):
    answers = asked(*request)
    print(*request[0:1], len(asked.calls), flush=True)
    time.sleep(float(sys.argv[3]))
    return answers
search(definition(**KEYS), evaluate, "journal", Path(sys.argv[2]))
print("done", flush=True)
"""


@contextmanager
def process(folder: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """The search in a process of its own, which takes so many seconds over every batch."""
    words = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(folder), str(seconds)]
    started = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def told(result: SearchResult) -> list[Any]:
    """Everything but Optuna's numbers, which count attempts."""
    trials = [*(t for s in result.stages for t in s.trials), *(t for c in result.confirm for t in c.trials)]
    trials += result.final.trials if result.final is not None else ()
    return [(t.key, t.params, t.values, t.state, t.seeds) for t in trials]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return told(search(definition(**KEYS), Evaluator(), "journal", tmp_path_factory.mktemp("whole")))


@pytest.mark.parametrize("batch", [2, 6, 10])
def test_killed_in_the_middle_of_a_batch(tmp_path: Path, batch: int, undisturbed: list[Any]) -> None:
    with process(tmp_path, 0.05) as first:
        assert first.stdout is not None
        for _ in range(batch):
            first.stdout.readline()
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    assert told(search(definition(**KEYS), Evaluator(), "journal", tmp_path)) == undisturbed
    assert search(definition(**KEYS), Evaluator(), "journal", tmp_path).evaluated == 0


def test_a_second_sweeper_is_refused_while_the_first_lives(tmp_path: Path, undisturbed: list[Any]) -> None:
    with process(tmp_path, 60) as first:
        assert first.stdout is not None
        first.stdout.readline()
        with pytest.raises(ConfigError, match=f"study 'kth/lambda' is held by process {first.pid} on"):
            search(definition(**KEYS), Evaluator(), "journal", tmp_path)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    assert told(search(definition(**KEYS), Evaluator(), "journal", tmp_path)) == undisturbed


@pytest.mark.slow
def test_killed_again_and_again_at_any_moment(tmp_path: Path, undisturbed: list[Any]) -> None:
    """Also between two lines of the journal, and inside one: then learning samplers may go on otherwise."""
    draw, kills = random.Random(0), 0
    for _ in range(60):
        with process(tmp_path, 0.02) as one:
            assert one.stdout is not None
            line = one.stdout.readline()
            if line == "done\n":
                break
            time.sleep(draw.expovariate(60))
            if one.poll() is None:
                os.kill(one.pid, signal.SIGKILL)
                kills += 1
            one.wait()
    result = search(definition(**KEYS), Evaluator(), "journal", tmp_path)
    assert kills >= 5
    assert [row[:2] for row in told(result)[:20]] == [row[:2] for row in undisturbed[:20]]
    assert [len(stage.trials) for stage in result.stages] == [8, 12, 12]
    assert all(trial.state == "complete" for stage in result.stages for trial in stage.trials)
    assert search(definition(**KEYS), Evaluator(), "journal", tmp_path).evaluated == 0
