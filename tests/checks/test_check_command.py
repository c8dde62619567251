"""`labkit task=check`: its table, its exit code, what it leaves in the store, and what it refuses."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from labkit.checks import suite
from labkit.checks.check_verdict import CheckVerdict
from labkit.checks.suite import TESTS
from labkit.checks.verdict_table import FAILED, full, full_markdown, summary
from labkit.nn.linear import Linear
from labkit.report.ranked_entries import contestants
from labkit.report.sheet_csv import to_csv
from labkit.tracking.reading import artifact, runs
from labkit.tracking.store import default_store

QUICK = "task.only=[relative_error,movement]"


def break_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Linear.backward

    def wrong(self: Linear, dy: Any, saved: Any, parameters: Any, gradients: Any, need_dx: bool) -> Any:
        dx = right(self, dy, saved, parameters, gradients, need_dx)
        gradients[0].mul_(2)
        return dx

    monkeypatch.setattr(Linear, "backward", wrong)


def test_chosen_tests_print_a_table_and_write_nothing_without_a_tracker(labkit: Any) -> None:
    answer = labkit("task=check", QUICK, "tracker=none")
    assert (answer.code, answer.err, answer.files) == (0, "", [])
    assert re.search(r"^ *model=char_rnn +\d.*good +7 of 7", answer.out, re.M)
    assert re.search(r"^ *KTH's reduced problem, lambda 0.1 +\de-1\d good +- ", answer.out, re.M)
    assert re.search(r"All \d{3} checks passed\. \(\d+\.\d s\)", answer.out)
    assert FAILED not in answer.out
    assert "relative_error: " in answer.out, "what the column means"


def test_a_fault_ends_in_exit_code_1_with_the_failures_in_full(labkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    break_linear(monkeypatch)
    answer = labkit("task=check", QUICK, "tracker=none")
    assert answer.code == 1
    assert "Traceback" not in answer.err
    assert re.search(r"relative_error +linear without bias +W .*\(wrong\).*FAILED", answer.out)
    assert re.search(r"\d+ of \d+ checks FAILED: relative_error \d+\.", answer.out)


class Notebook:
    """Stands in for the store: what one run was told."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}

    def start_run(self, **fields: Any) -> Notebook:
        self.told = {**fields, "artifacts": {}}
        return self

    def log(self, step: int, values: dict[str, float]) -> None:
        self.told["metrics"] = values

    def artifact_text(self, name: str, text: str) -> None:
        self.told["artifacts"][name] = text.encode()

    def artifact_bytes(self, name: str, content: bytes) -> None:
        self.told["artifacts"][name] = content

    def finish(self, status: str, note: str = "") -> None:
        self.told |= {"status": status, "note": note}


def test_what_a_run_keeps(labkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from labkit.tracking import session

    notebook = Notebook()
    monkeypatch.setattr(session, "tracker", lambda tracking, root: notebook)
    break_linear(monkeypatch)
    assert labkit("task=check", "task.only=[differences,movement]").code == 1
    told = notebook.told
    assert (told["experiment"], told["status"]) == ("checks", "FAILED")
    assert re.fullmatch(r"\d of 16 checks FAILED: differences \d\.", told["note"])
    assert told["params"] == {"task.only": "differences movement"}
    assert told["tags"]["labkit.reproduce"] == "labkit task=check 'task.only=[differences,movement]'"
    table = list(csv.DictReader(io.StringIO(told["artifacts"]["checks.csv"].decode())))
    assert len(table) == told["metrics"]["checks"] == 16
    assert sum(line["verdict"] == FAILED for line in table) == told["metrics"]["checks_failed"] > 0
    assert told["note"].encode() in told["artifacts"]["checks.md"]
    assert told["artifacts"]["figures/finite_differences.png"].startswith(b"\x89PNG")


BAD = {
    "task.only=gradent": ["task.only", "'gradent'", "did you mean 'gradient'?"],
    "task.only=[gradient,x]": ["task.only", "'x'", "valid: "],
    "task.only=[]": ["task.only", "at least one test"],
    "task.only=3": ["task.only", "3"],
    "task.details=2": ["task.details", "true or false", "2"],
    "task.tolerance=1": ["task.tolerance"],
    "+task.tolerance=1": ["task", "unknown key 'tolerance'"],
    "paths.root=/dev/null": ["paths.root", "a folder one can write to"],
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_ends_in_one_sentence(words: str, labkit: Any) -> None:
    answer = labkit("task=check", *words.split())
    assert answer.code == 2
    assert answer.err.startswith("labkit: ")
    assert answer.err.count("\n") == 1
    for fragment in BAD[words]:
        assert fragment in answer.err
    assert (answer.out, answer.files) == ("", [])


def test_the_comment_in_the_option_names_every_test() -> None:
    from labkit.compose import CONF

    text = (CONF / "task" / "check.yaml").read_text()
    assert all(name in text for name in TESTS)


def test_the_files_have_every_verdict() -> None:
    good = CheckVerdict("gradient", "a|b", "W", "1 2", "slopes 1 and 2", "1 and 2", 0.5, "note")
    bad = CheckVerdict("overfit", "model=mlp", "loss", "0.3", "loss 0.3", "below 0.01", float("nan"))
    assert summary([good]) == "All 1 checks passed."
    assert summary([good, bad]) == "1 of 2 checks FAILED: overfit 1."
    assert "a\\|b" in full_markdown([good, bad])
    lines = list(csv.DictReader(io.StringIO(to_csv(full([good, bad])))))
    assert [line["verdict"] for line in lines] == ["ok", FAILED]
    assert [line["share_of_tolerance"] for line in lines] == ["0.5", "nan"]


@pytest.mark.slow
def test_the_whole_command_passes_well_below_a_minute(process: Any, tmp_path: Path) -> None:
    answer = process("task=check", "task.details=true", cwd=tmp_path)
    assert answer.code == 0, answer.out
    found = re.search(r"All (\d+) checks passed\. \((\d+\.\d) s\)", answer.out)
    assert found
    assert int(found[1]) > 500
    assert float(found[2]) < 40
    (row,) = runs(uri := default_store(tmp_path)[0], experiments=["checks"])
    assert row.status == "FINISHED"
    assert row.metrics["checks"] == int(found[1])
    for name in ("taylor_softmax_loss", "taylor_residual_network_3_blocks", "finite_differences", "memorised_losses"):
        assert artifact(uri, row.run_id, f"figures/{name}.png").startswith(b"\x89PNG")
    assert contestants([row], "val/accuracy") == [], "it is no row of a leaderboard"


def test_threads_are_as_before() -> None:
    import torch

    before = torch.get_num_threads()
    suite.run(["movement"], {})
    assert torch.get_num_threads() == before
