"""What the terminal shows without training: help, the composed configuration, completion, facts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labkit.compose import CONF

SCRIPT = Path(sys.executable).parent / "labkit"


def test_help_is_our_own_text(labkit: Any) -> None:
    answer = labkit("--help")
    assert answer.code == 0, answer.err
    assert answer.out.startswith("labkit: study how deep networks train.")
    for words in (
        "Examples",
        "labkit -m optimizer.lr=0.1,0.01",
        "experiment/kth: adam, ex3, ex4",
        'eval "$(labkit -sc install',
    ):
        assert words in answer.out
    assert answer.files == []


def test_a_reader_that_leaves_early_is_no_error(clean_environment: dict[str, str], tmp_path: Path) -> None:
    with subprocess.Popen(
        [str(SCRIPT), "--help"], cwd=tmp_path, env=clean_environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as help_:
        assert help_.stdout is not None
        help_.stdout.close()  # long before the first line
        assert help_.stderr is not None
        assert help_.stderr.read() == b""
    assert help_.returncode == 1


def test_the_composed_configuration_is_shown(labkit: Any) -> None:
    answer = labkit("--cfg", "job", "optimizer=adam", "optimizer.lr=0.5")
    assert answer.code == 0, answer.err
    assert "_target_: labkit.optim.rules.adam\n  lr: 0.5" in answer.out
    assert answer.files == []


def complete(line: str, environment: dict[str, str]) -> list[str]:
    variables = {**environment, "COMP_LINE": line, "COMP_POINT": str(len(line))}
    command = [str(SCRIPT), "-sc", "query=bash"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True, timeout=30)
    assert done.stderr == ""
    return sorted(done.stdout.split())


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("labkit optim", ["optimizer.", "optimizer="]),
        ("labkit data=s", ["data=spirals", "data=swissroll", "data=swissroll_generated", "data=syllables"]),
        ("labkit data=_", []),
        ("labkit data.sp", ["data.split_seed="]),
        ("labkit model=c", ["model=char_rnn", "model=cnn"]),
        ("labkit optimizer=adam optimizer.b", ["optimizer.beta1=", "optimizer.beta2="]),
        (
            "labkit experiment/kth=",
            [f"experiment/kth={file.stem}" for file in sorted((CONF / "experiment/kth").glob("*.yaml"))],
        ),
    ],
)
def test_a_tab_offers_groups_options_and_keys(line: str, offered: list[str], clean_environment: dict[str, str]) -> None:
    assert complete(line, clean_environment) == offered


INFO = {
    "digits": ("model=cnn", ["(1797, 1, 8, 8) uint8", "conv2d_1", "classes", "multiply-adds"]),
    "tones": ("model=audio_cnn data.samples=200", ["(200, 1, 2000) int16", "conv1d_1", "global_average_pool"]),
    "syllables": ("model=char_rnn data.samples=300", ["embedding_1", "rnn_2", "uint8"]),
    "spirals": ("model=mlp", ["(3000, 2) float32", "linear_1", "hidden units"]),
}


@pytest.mark.parametrize("data", INFO)
def test_info_tells_the_facts_and_draws(data: str, labkit: Any) -> None:
    words, facts = INFO[data]
    answer = labkit("task=info", f"data={data}", *words.split())
    assert answer.code == 0, answer.err
    for fact in [*facts, "torch", "cores", "sha256", "train", "validation", "test", "parameters", "config hash"]:
        assert fact in answer.out
    assert [name for name in answer.files if not name.startswith("mlruns/hydra")] == ["mlruns", "mlruns/samples.png"]
    assert Path("mlruns/samples.png").read_bytes().startswith(b"\x89PNG")


def test_info_draws_augmented_samples(labkit: Any) -> None:
    answer = labkit("task=info", "model=cnn", "preprocess.shift=2", "preprocess.noise=0.1", "task.samples=3")
    assert answer.code == 0, answer.err
