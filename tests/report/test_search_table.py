"""The table of a search: order, what differs, ranges, spread, and its Markdown and CSV."""

from __future__ import annotations

import csv
import io
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_rows import Search, facts, lambda_search

from labkit.report.search_layouts import headline, search_csv, search_markdown, stage_cells
from labkit.report.search_table import StageFacts, search_table


@pytest.fixture(scope="module")
def table():
    return search_table(*lambda_search())


def part(table, name):
    return next(part for part in table.parts if part.stage.name == name)


def test_stages_stand_from_the_last_to_the_first_and_trials_best_first(table):
    assert [part.stage.name for part in table.parts] == ["final", "confirm", "fine", "coarse"]
    assert [(p.trials, p.runs) for p in table.parts] == [(1, 5), (3, 15), (16, 16), (8, 8)]
    for own in table.parts:
        ranked = [entry for entry in own.entries if entry.rank]
        assert own.entries[: len(ranked)] == tuple(ranked)
        assert [entry.rank for entry in ranked] == list(range(1, len(ranked) + 1))
        assert [entry.mean for entry in ranked] == sorted((entry.mean for entry in ranked), reverse=True)


def test_what_has_no_result_ends_its_stage(table):
    assert [entry.status for entry in part(table, "fine").entries[-2:]] == ["FAILED", "PRUNED"]
    assert part(table, "coarse").entries[-1].status == "DIVERGED"


def test_a_trial_is_the_mean_of_its_seeds(table):
    rows, _ = lambda_search()
    best = part(table, "confirm").entries[0]
    values = [row["metrics"]["val/accuracy"] for row in rows if row["run_id"] in best.run_ids]
    assert len(values) == 5
    assert best.mean == pytest.approx(statistics.fmean(values))
    assert best.deviation == pytest.approx(statistics.stdev(values))


def test_only_what_tells_trials_apart_is_a_column_and_what_tells_stages_apart_a_setting(table):
    assert table.keys == ("loss.l2",)
    assert part(table, "final").settings == {"data.validation": "1000", "schedule.cycles": "3"}
    assert part(table, "coarse").settings == {"data.validation": "5000", "schedule.cycles": "2"}
    assert part(table, "final").entries[0].params == {"loss.l2": "0.0008"}


def test_the_stages_with_their_ranges(table):
    heads, lines = stage_cells(table)
    assert heads == ["stage", "sampler", "trials", "runs", "loss.l2", "settings", "best val/accuracy (%)"]
    assert [line[0] for line in lines] == ["coarse", "fine", "confirm", "final"]
    assert [line[4] for line in lines][:2] == ["1e-05..0.1 (log)", "6.31e-05..0.00631 (log)"]
    assert lines[2][4] == "0.0008, 0.0006, 0.0012"


def test_markdown_is_one_table_and_the_stages(table):
    text = search_markdown(table)
    head = (
        "| rank | stage | val/accuracy (%) | 95% interval | n | seeds | loss.l2 | test/accuracy (%) | status | runs |"
    )
    assert text.splitlines()[0] == headline(table)
    assert text.splitlines()[2] == head
    assert sum(line.startswith("| ") for line in text.splitlines()) == 2 + 28 + 2 + 4
    assert "| 1 | final |" in text
    assert "| 5 | 1000..1004 | 0.0008 | 51.52 ± 0.38 |" in text
    assert "| - | coarse | - | - | - | 0 | 0.1 | - | DIVERGED |" in text
    assert "6.31e-05..0.00631 (log)" in text


def test_csv_has_every_number_in_full_and_the_range_on_every_line(table):
    lines = list(csv.DictReader(io.StringIO(search_csv(table))))
    assert [line["stage"] for line in lines] == ["final"] + ["confirm"] * 3 + ["fine"] * 16 + ["coarse"] * 8
    best = table.parts[0].entries[0]
    assert float(lines[0]["val/accuracy"]) == best.mean
    assert float(lines[0]["interval_low"]) == best.interval[0]
    assert lines[0]["run_ids"].split() == list(best.run_ids)
    assert lines[0]["seeds"] == "1000 1001 1002 1003 1004"
    assert {line["range of loss.l2"] for line in lines if line["stage"] == "coarse"} == {"1e-05..0.1 (log)"}
    assert lines[-1]["val/accuracy"] == ""
    assert (lines[0]["data.validation"], lines[-1]["data.validation"]) == ("1000", "5000")


def test_the_answer(table):
    assert headline(table) == (
        "Best in stage final: loss.l2 = 0.0008, with val/accuracy 51.92 ± 0.38 % and test/accuracy 51.52 ± 0.38 % "
        "(mean ± standard deviation of 5 seeds)."
    )
    assert headline(search_table([])) == ""


def test_ties_are_told():
    search = Search()
    for trial in range(3):
        search.run("only", trial, {"loss.l2": trial})
        search.rows[-1]["metrics"]["val/accuracy"] = 0.5 if trial else 0.4
    assert headline(search_table(search.rows)).endswith(
        "with val/accuracy 50.00 % (one seed); 1 more setting ties with it."
    )


def test_a_multirun_without_stages_is_one_part():
    search = Search()
    for trial, l2 in enumerate((0, 1e-4, 1e-3)):
        search.run("", trial, {"loss.l2": l2})
    for row in search.rows:
        del row["tags"]["labkit.stage"]
    table = search_table(search.rows)
    (only,) = table.parts
    assert (only.stage.name, only.settings, table.keys) == ("", {}, ("loss.l2",))
    assert headline(table).startswith("Best: loss.l2 = 0.001, with val/accuracy ")
    assert "stage" not in search_markdown(table).lower()


@pytest.mark.parametrize("group", ["optimizer", "optimizer._target_"])
def test_a_searched_key_that_never_differs_is_shown_and_a_group_by_what_it_chose(group):
    search = Search()
    for trial, rule in enumerate(("sgd", "adam")):
        search.run("only", trial, {"optimizer._target_": f"labkit.optim.rules.{rule}"})
    space = [{"key": group, "choices": ["sgd", "adam"]}, {"key": "loss.l2", "choices": [0.0]}]
    table = search_table(search.rows, [facts("only", "grid", space)])
    assert table.keys == ("optimizer._target_", "loss.l2")
    heads, (line,) = stage_cells(table)
    assert line[heads.index("optimizer._target_")] == "sgd, adam"
    assert "| sgd |" in search_markdown(table)


def test_a_lower_loss_is_better():
    table = search_table(*lambda_search(), "val/loss")
    means = [entry.mean for entry in part(table, "coarse").entries if entry.rank]
    assert means == sorted(means)
    assert not table.maximise


stages = st.sampled_from(["coarse", "fine", "final", "unheard of"])
fates = st.sampled_from([{}, {"status": "FAILED"}, {"diverged_at": "3"}, {"pruned_at": "3"}, {"status": "RUNNING"}])


@given(st.lists(st.tuples(stages, st.integers(0, 3), st.integers(0, 2), fates), max_size=20))
def test_every_run_stands_in_the_table_exactly_once(runs):
    search = Search()
    for stage, trial, seed, fate in runs:
        search.run(stage, trial, {"loss.l2": 10.0**-trial}, seed=seed, **fate)
    table = search_table(search.rows, [StageFacts("coarse"), StageFacts("fine"), StageFacts("final")])
    listed = [run_id for own in table.parts for entry in own.entries for run_id in entry.run_ids]
    assert sorted(listed) == sorted(row["run_id"] for row in search.rows)
    written = "".join(line["run_ids"] + " " for line in csv.DictReader(io.StringIO(search_csv(table)))).split()
    assert sorted(written) == sorted(listed)
    search_markdown(table)
