"""A folder of configuration files may come from a stranger: what it asks for by itself is refused first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from labkit.compose import compose
from labkit.config import ConfigError
from tests.conftest import Command

Write = Callable[[str], None]
FILES = {  # content of an experiment -> the key that is refused, and the word by which the user allows it
    "targets: [mine.net]": ("targets", "targets=[mine.net]"),
    "paths: {root: /elsewhere}": ("paths.root", "paths.root=/elsewhere"),
    "hydra: {run: {dir: /elsewhere}}": ("hydra.run.dir", "hydra.run.dir=/elsewhere"),
    "hydra: {run: {dir: '${paths.root}/../x'}}": ("hydra.run.dir", "hydra.run.dir=/elsewhere"),
    "hydra: {sweep: {dir: ../x}}": ("hydra.sweep.dir", "hydra.sweep.dir=../x"),
    "hydra: {sweep: {subdir: ../../x}}": ("hydra.sweep.subdir", "hydra.sweep.subdir=../../x"),
    "hydra: {sweep: {subdir: '${name}'}}": ("hydra.sweep.subdir", "hydra.sweep.subdir=x"),
    "hydra: {output_subdir: /x}": ("hydra.output_subdir", "hydra.output_subdir=/x"),
    "hydra: {job: {name: ../x}}": ("hydra.job.name", "hydra.job.name=../x"),
    "hydra: {sweeper: {storage: /x/y.log}}": ("hydra.sweeper.storage", "hydra.sweeper.storage=/x/y.log"),
    "hydra: {sweeper: {storage: 'sqlite:////x/y.db'}}": ("hydra.sweeper.storage", "hydra.sweeper.storage=journal"),
    "hydra: {callbacks: {x: {_target_: os.getcwd}}}": ("hydra.callbacks.x._target_", "targets=[os.getcwd]"),
    "hydra: {sweeper: {params: {targets: '[a.b]'}}}": ("hydra.sweeper.params.targets", "targets=[]"),
    "hydra: {sweeper: {params: {+hydra.run.dir: /x}}}": ("hydra.sweeper.params.+hydra.run.dir", "hydra.run.dir=/x"),
    "hydra: {job_logging: {handlers: {x: {'()': os.getcwd}}}}": (
        "hydra.job_logging.handlers.x.()",
        "hydra.job_logging.handlers.x={}",
    ),
    "hydra: {job_logging: {handlers: {x: {class: logging.Logger}}}}": (
        "hydra.job_logging.handlers.x.class",
        "hydra.job_logging.handlers.x.class=logging.NullHandler",
    ),
    "hydra: {job_logging: {handlers: {x: {stream: 'ext://os.environ'}}}}": (
        "hydra.job_logging.handlers.x.stream",
        "hydra.job_logging.handlers.x.stream=ext://sys.stdout",
    ),
    "hydra: {job_logging: {handlers: {file: {filename: /x/y}}}}": (
        "hydra.job_logging.handlers.file.filename",
        "hydra.job_logging.handlers.file.filename=/x/y",
    ),
    "hydra: {job: {env_set: {PYTHONPATH: /x}}}": ("hydra.job.env_set.PYTHONPATH", "hydra.job.env_set.PYTHONPATH=/x"),
}
HARMLESS = (
    "name: x",
    "paths: {data: /anywhere}",
    "paths: {data: '${oc.env:HOME}'}",
    "paths: {data: '${oc.env:LABKIT_TEST_DATA,data}'}",
    "hydra: {run: {dir: '${paths.root}/mlruns/x/${now:%H}'}}",
    "hydra: {sweep: {subdir: '${hydra.job.override_dirname}'}}",
    "hydra: {output_subdir: null}",
    "hydra: {job: {env_set: {OMP_NUM_THREADS: '1'}}}",
    "hydra: {sweeper: {storage: 'postgresql://x@y/z'}}",
    "hydra: {sweeper: {params: {optimizer.lr: '0.1,0.2'}}}",
    "hydra: {job_logging: {handlers: {x: {class: logging.NullHandler}}}}",
    "hydra: {callbacks: {x: {_target_: hydra.experimental.callbacks.LogJobReturnCallback}}}",
)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Words for an experiment of a folder; its file is `experiment/strange.yaml`."""
    (tmp_path / "configs" / "experiment").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return [f"hydra.searchpath=[{tmp_path}/configs]", "experiment=strange"]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], None]:
    """Writes that file; with the sweeper that knows a storage, where it names one."""

    def written(content: str) -> None:
        sweeper = "defaults: [{override /hydra/sweeper: optuna}]\n" if "storage" in content else ""
        file = tmp_path / "configs" / "experiment" / "strange.yaml"
        file.write_text(f"# @package _global_\n{sweeper}{content}\n")

    return written


@pytest.mark.parametrize("content", FILES)
def test_a_file_may_not_what_the_command_line_may(asked: list[str], write: Write, content: str) -> None:
    key, word = FILES[content]
    write(content)
    with pytest.raises(ConfigError, match="command line") as refused:
        compose(asked)
    assert str(refused.value).startswith(f"{key}: ")
    compose([*asked, word])


@pytest.mark.parametrize("content", HARMLESS)
def test_what_does_no_harm_needs_no_word(
    asked: list[str], write: Write, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_TEST_DATA", "relative")
    write(content)
    config = compose(asked)
    assert config.paths.root == str(Path.cwd())
    assert config.paths.data


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name: ${oc.env:HOME}", "name: it would read the environment variable HOME and keep it with the run;"),
        ("model: {hidden: '${oc.env:HOME}'}", "model.hidden: it would read"),
        ("paths: {data: '${oc.env:LABKIT_TEST_SECRET_}'}", "paths.data: there is no environment variable"),
        (
            "paths: {data: '${oc.env:TEST_SECRET}'}",
            "paths.data: expected a path in the environment variable TEST_SECRET",
        ),
    ],
)
def test_environment_variables_stay_where_they_are(
    asked: list[str], write: Write, labkit: Command, monkeypatch: pytest.MonkeyPatch, content: str, said: str
) -> None:
    """The value appears in no message and no file."""
    monkeypatch.setenv("TEST_SECRET", "hunter2")
    write(content)
    answer = labkit(*asked)
    assert answer.code == 2
    assert said in answer.err
    assert "hunter2" not in answer.out + answer.err
    assert answer.err.count("\n") == 1


def test_no_code_runs_before_the_refusal(asked: list[str], write: Write, labkit: Command) -> None:
    """Hydra builds callbacks first of all, in a dry run too."""
    Path("marker.py").write_text("from pathlib import Path\ndef make(): Path('ran').write_text('x')\n")
    write("hydra: {callbacks: {x: {_target_: marker.make}}}")
    for words in ((), ("--cfg", "job"), ("-m",)):
        answer = labkit(*words, *asked)
        assert (answer.code, Path("ran").exists()) == (2, False)
        assert "hydra.callbacks.x._target_: 'marker.make' is not allowed" in answer.err
