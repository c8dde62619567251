"""The table of a search: order, what differs, ranges, spread, and its Markdown and CSV."""

from __future__ import annotations

import csv
import io
import statistics
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.report.search_layout import accounting, headline, search_csv, search_markdown, stage_sheet
from labkit.report.search_table import StageFacts, Tried, search_table
from tests.report.search_rows import Search, facts, lambda_rows, lambda_search, tried


@pytest.fixture(scope="module")
def table():
    return search_table(*lambda_search())


def part(table, name):
    return next(part for part in table.parts if part.stage.name == name)


def test_stages_stand_from_the_last_to_the_first_and_trials_best_first(table):
    assert [part.stage.name for part in table.parts] == ["final", "confirm", "fine", "coarse"]
    assert [(p.trials, len(p.run_ids)) for p in table.parts] == [(1, 5), (3, 15), (16, 16), (8, 8)]
    for own in table.parts:
        ranked = [entry for entry in own.entries if entry.rank]
        assert own.entries[: len(ranked)] == tuple(ranked)
        assert [entry.rank for entry in ranked] == list(range(1, len(ranked) + 1))
        assert [entry.mean for entry in ranked] == sorted((entry.mean for entry in ranked), reverse=True)


def test_what_has_no_result_ends_its_stage(table):
    assert [entry.status for entry in part(table, "fine").entries[-2:]] == ["FAILED", "PRUNED"]
    assert part(table, "coarse").entries[-1].status == "DIVERGED"


def test_a_trial_is_the_mean_of_its_seeds(table):
    rows, _ = lambda_rows()
    best = part(table, "confirm").entries[0]
    values = [row.metrics["val/accuracy"] for row in rows if row.run_id in best.run_ids]
    assert len(values) == 5
    assert best.mean == pytest.approx(statistics.fmean(values))
    assert best.deviation == pytest.approx(statistics.stdev(values))


def test_only_what_tells_trials_apart_is_a_column_and_what_tells_stages_apart_a_setting(table):
    assert table.keys == ("loss.l2",)
    assert part(table, "final").settings == {"data.validation": "1000", "schedule.cycles": "3"}
    assert part(table, "coarse").settings == {"data.validation": "5000", "schedule.cycles": "2"}
    assert part(table, "final").entries[0].params == {"loss.l2": "0.0008"}


def test_the_stages_with_their_ranges(table):
    sheet = stage_sheet(table)
    heads, lines = sheet.heads, sheet.cells()
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
        search.rows[-1].metrics["val/accuracy"] = 0.5 if trial else 0.4
    assert headline(search_table(tried(search.rows))).endswith(
        "with val/accuracy 50.00 % (one seed); 1 more setting ties with it."
    )


def test_a_multirun_without_stages_is_one_part():
    search = Search()
    for trial, l2 in enumerate((0, 1e-4, 1e-3)):
        search.run("", trial, {"loss.l2": l2})
    for row in search.rows:
        del row.tags["labkit.stage"]
    table = search_table(tried(search.rows))
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
    table = search_table(tried(search.rows), [facts("only", "grid", space)])
    assert table.keys == ("optimizer._target_", "loss.l2")
    sheet = stage_sheet(table)
    heads, (line,) = sheet.heads, sheet.cells()
    assert line[heads.index("optimizer._target_")] == "sgd, adam"
    assert "| sgd |" in search_markdown(table)


def test_a_group_that_is_searched_is_one_column():
    search = Search()
    for trial, rule in enumerate(("sgd", "adam")):
        search.run("only", trial, {"optimizer": rule, "optimizer._target_": f"labkit.optim.rules.{rule}"})
    table = search_table(
        tried(search.rows), [facts("only", "grid", [{"key": "optimizer", "choices": ["sgd", "adam"]}])]
    )
    assert table.keys == ("optimizer",)


def test_a_lower_loss_is_better():
    table = search_table(*lambda_search(), ["val/loss"])
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
    table = search_table(tried(search.rows), [StageFacts("coarse"), StageFacts("fine"), StageFacts("final")])
    listed = [run_id for own in table.parts for entry in own.entries for run_id in entry.run_ids]
    assert sorted(listed) == sorted(row.run_id for row in search.rows)
    written = "".join(line["run_ids"] + " " for line in csv.DictReader(io.StringIO(search_csv(table)))).split()
    assert sorted(written) == sorted(listed)
    search_markdown(table)


def added(text):
    """The first number of the accounting line, and the sum of those behind its sign."""
    whole, terms = text.partition(";")[0].split(" = ")
    return int(whole.split()[0]), sum(int(term.split()[0]) for term in terms.split(" + "))


@given(st.lists(st.tuples(stages, st.integers(0, 3), st.integers(0, 2), fates), min_size=1, max_size=20))
def test_the_budget_adds_up(runs):
    search = Search()
    for n, (stage, point, seed, fate) in enumerate(runs):
        search.run(stage, n, {"loss.l2": 10.0**-point}, seed=seed, **fate)
    trials = [replace(one, params={"loss.l2": one.runs[0].params["loss.l2"]}) for one in tried(search.rows)]
    table = search_table(trials)
    assert added(accounting(table)) == (len(runs), len(runs))
    points = {(one.stage, one.params["loss.l2"]) for one in trials}
    assert sum(len(part.entries) for part in table.parts) == len(points), "a line for each point"


def test_the_budget_is_told_in_one_line(table):
    text = search_markdown(table)
    assert "\n28 trials = 25 rows + 1 failed + 1 diverged + 1 pruned; 44 runs.\n" in text


def test_a_run_of_another_search_stands_where_this_one_used_it():
    search = Search()
    for trial, l2 in enumerate((1e-2, 1e-3)):
        search.run("theirs", trial, {"loss.l2": l2})
    first, second = search.rows
    trials = [Tried(stage, "complete", [row], {"loss.l2": row.params["loss.l2"]})
              for stage, row in (("coarse", first), ("coarse", second), ("fine", second))]  # fmt: skip
    table = search_table(trials, [StageFacts("coarse"), StageFacts("fine")])
    assert [(part.stage.name, part.trials, len(part.run_ids)) for part in table.parts] == [
        ("fine", 1, 1),
        ("coarse", 2, 2),
    ]
    assert accounting(table) == "3 trials = 3 rows + 0 failed + 0 diverged + 0 pruned; 2 runs."


def test_a_point_that_a_sampler_repeats_is_one_row_of_two_trials():
    search = Search()
    search.run("only", 0, {"loss.l2": 1e-3})
    search.run("only", 1, {"loss.l2": 1e-2})
    one, other = search.rows
    trials = [Tried("only", "complete", [row], {"loss.l2": row.params["loss.l2"]}) for row in (one, other, one)]
    table = search_table(trials)
    assert [entry.run_ids for entry in table.parts[0].entries] == [(one.run_id,), (other.run_id,)]
    assert accounting(table) == "3 trials = 3 in 2 rows + 0 failed + 0 diverged + 0 pruned; 2 runs."
    assert "tie" not in headline(table)


def test_a_trial_whose_job_left_no_run_is_a_line_with_its_point():
    search = Search()
    search.run("only", 0, {"loss.l2": 1e-3})
    space = [{"key": "loss.l2", "choices": [1e-3, 1e-2]}]
    trials = [*tried(search.rows), Tried("only", "failed", [], {"loss.l2": "0.01"})]
    table = search_table(trials, [facts("only", "grid", space)])
    assert [(e.status, e.params, e.run_ids) for e in table.parts[0].entries[1:]] == [
        ("FAILED", {"loss.l2": "0.01"}, ())
    ]
    assert accounting(table).startswith("2 trials = 1 row + 1 failed")
    search_csv(table)


def test_a_value_that_the_store_lacks_is_no_row():
    search = Search()
    for trial, status in enumerate(("FINISHED", "FAILED")):
        search.run("only", trial, {"loss.l2": 0.1**trial}, status=status)
    search.rows[1] = replace(search.rows[1], metrics=search.rows[0].metrics)
    points = [{"loss.l2": text} for text in ("1.0", "0.1", "0.01")]
    runs = [[row] for row in search.rows] + [[]]
    trials = [Tried("only", "complete", own, point) for own, point in zip(runs, points, strict=True)]
    table = search_table(trials)
    assert [entry.status for entry in table.parts[0].entries] == ["FINISHED", "NOT STORED", "NOT STORED"]
    assert accounting(table) == "3 trials = 1 row + 0 failed + 0 diverged + 0 pruned + 2 not stored; 2 runs."


def test_a_trial_that_lost_a_seed_is_no_result_and_a_candidate_that_did_stands_last():
    search = Search()
    for seed in range(2):
        search.run("only", 0, {"loss.l2": 1e-3}, seed=seed, **({"diverged_at": "9"} if seed else {}))
        search.run("only", 1, {"loss.l2": 1e-5}, seed=seed)
        search.run("confirm", 0, {"loss.l2": 1e-3}, seed=seed, **({"diverged_at": "9"} if seed else {}))
        search.run("confirm", 1, {"loss.l2": 1e-5}, seed=seed)
    for row in search.rows:  # a confirmation has a trial for each seed
        row.tags["labkit.trial"] += row.params["seed"] if row.tags["labkit.stage"] == "confirm" else ""
    trials = [replace(one, params={"loss.l2": one.runs[0].params["loss.l2"]}) for one in tried(search.rows)]
    confirm, only = search_table(trials, [StageFacts("only"), StageFacts("confirm")]).parts
    assert [(e.status, e.params["loss.l2"]) for e in only.entries] == [("FINISHED", "1e-05"), ("DIVERGED", "0.001")]
    assert [(e.rank, e.tried, len(e.seeds), e.params["loss.l2"]) for e in confirm.entries] == [
        (1, 2, 2, "1e-05"),
        (2, 2, 1, "0.001"),
    ]


def test_without_any_value_the_table_says_so():
    search = Search()
    search.run("only", 0, {"loss.l2": 1.0}, diverged_at="3")
    text = search_markdown(search_table(tried(search.rows)))
    assert text.startswith("No trial came to a value.\n")
    assert "\n1 trial = 0 rows + 0 failed + 1 diverged + 0 pruned; 1 run.\n" in text


def test_several_objectives_are_columns_and_have_no_single_winner():
    table = search_table(*lambda_search(), ["val/accuracy", "val/loss"])
    assert table.extra == ("val/loss", "test/accuracy")
    assert headline(table).startswith("Best in stage final by val/accuracy: ")
    assert "no single winner" in search_markdown(table)


def test_a_screen_has_the_first_rows_of_every_stage_and_says_how_many_more_there_are(table):
    lines = search_markdown(table, 2).splitlines()
    listed = [line.split(" | ")[1] for line in lines if line.startswith(("| 1 |", "| 2 |", "| 3 |", "| - |"))]
    assert listed == ["final", "confirm", "confirm", "fine", "fine", "coarse", "coarse"]
    assert lines[-1] == "21 more rows: search.md and search.csv of the parent run."
    assert "more rows" not in search_markdown(table)
