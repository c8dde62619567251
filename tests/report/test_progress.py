"""The progress line: what it says, when it says it, and what it costs."""

from __future__ import annotations

import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.report.durations import duration, per_step
from labkit.report.progress import ProgressLine


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")


def begun(stream, total=1000, description="kth/ex3", first=0):
    clock = Clock()
    progress = ProgressLine(stream, clock=clock)
    progress.start(total, description, first)
    return progress, clock


def test_the_line_says_everything():
    stream = Terminal()
    progress, clock = begun(stream)
    clock.now = 0.452
    progress.update(400, loss=1.73412, val_accuracy=0.392, lr=0.0501234)
    line = "kth/ex3 400/1000  ETA 0:01  1.13 ms/step  loss 1.734  val acc 39.20%  lr 0.0501"
    assert stream.getvalue() == f"\r{line}"


def test_values_stay_until_replaced_and_eta_is_unknown_at_first():
    stream = Terminal()
    progress, clock = begun(stream)
    progress.update(0, val_accuracy=0.1)
    clock.now = 65.0
    progress.update(500, loss=2.0)
    first, second = stream.getvalue().split("\r")[1:]
    assert first == "kth/ex3 0/1000  ETA -:--  val acc 10.00%"
    assert second == "kth/ex3 500/1000  ETA 1:05  130 ms/step  loss 2  val acc 10.00%"


def test_a_terminal_is_redrawn_ten_times_a_second_and_left_with_a_new_line():
    stream = Terminal()
    progress, clock = begun(stream)
    for step in range(1, 1001):
        clock.now = step / 1000
        due, before = progress.due(), stream.getvalue()
        progress.update(step)
        assert due == (stream.getvalue() != before)
    progress.finish()
    assert 10 <= stream.getvalue().count("\r") <= 12
    assert stream.getvalue().endswith("kth/ex3 1000/1000  in 0:01  1.00 ms/step\n")


def test_a_shorter_line_wipes_the_longer_one():
    stream = Terminal()
    progress, clock = begun(stream)
    progress.update(1, loss=1.23456)
    clock.now = 1
    progress.update(2, loss=1.0)
    first, second = stream.getvalue().split("\r")[1:]
    assert second.endswith("loss 1     ")
    assert len(second.rstrip()) < len(first) <= len(second)


@pytest.mark.parametrize("columns", [30, 50, 80])
def test_a_narrow_terminal_cuts_the_description_first(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    progress, _ = begun(stream, description="a very long description of an experiment")
    progress.update(10, loss=1.5)
    line = stream.getvalue()[1:]
    assert len(line) < columns
    assert "10/1000  ETA 0:00" in line


def test_off_a_terminal_only_evaluations_make_lines_two_seconds_apart():
    stream = io.StringIO()
    progress, clock = begun(stream, total=100)
    for step in range(101):
        clock.now = step / 10
        assert not progress.due()
        progress.update(step, loss=1.0, val_accuracy=0.5 if step % 5 == 0 else None)
    progress.finish()
    steps = [line.split()[1] for line in stream.getvalue().splitlines()]
    assert steps == ["0/100", "20/100", "40/100", "60/100", "80/100", "100/100", "100/100"]
    assert "\r" not in stream.getvalue()
    assert stream.getvalue().splitlines()[-1] == "kth/ex3 100/100  in 0:10  100 ms/step  loss 1  val acc 50.00%"


def test_a_short_run_off_a_terminal_is_a_first_and_a_last_line():
    stream = io.StringIO()
    progress, clock = begun(stream, total=10)
    for step in range(11):
        clock.now = step / 100
        progress.update(step, val_accuracy=step / 10)
    progress.finish()
    progress.finish()
    first, last = stream.getvalue().splitlines()
    assert first.startswith("kth/ex3 0/10")
    assert "val acc 100.00%" in last


def test_a_resumed_run_times_only_its_own_steps():
    stream = Terminal()
    progress, clock = begun(stream, first=900)
    clock.now = 1.0
    progress.update(950)
    assert stream.getvalue() == "\rkth/ex3 950/1000  ETA 0:01  20.0 ms/step"


def test_dumb_terminals_get_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    begun(stream)[0].update(1)
    assert stream.getvalue() == "kth/ex3 1/1000  ETA 0:00  0.00 us/step\n"


def test_quiet_and_not_yet_started_write_nothing():
    stream = Terminal()
    quiet = ProgressLine(stream, quiet=True)
    quiet.start(10, "x")
    for progress in (quiet, ProgressLine(stream)):
        progress.update(1, loss=1.0)
        progress.finish()
    assert stream.getvalue() == ""


def test_a_reader_that_has_gone_does_not_end_the_run():
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    progress, _ = begun(Broken())
    progress.update(1, val_accuracy=0.1)
    progress.update(2, val_accuracy=0.1)
    progress.finish()


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_an_update_with_nothing_to_print_costs_less_than_two_microseconds(stream):
    progress = ProgressLine(stream)
    progress.start(10**6, "x")
    progress.update(0, val_accuracy=0.1)
    best = float("inf")
    for _ in range(20):  # the best of many short rounds: other work on the machine only adds
        begin = time.perf_counter()
        for step in range(1000):
            progress.update(step, 1.5)
        best = min(best, (time.perf_counter() - begin) / 1000)
    assert best < 2e-6


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (65, "1:05"), (59.6, "1:00"), (7384, "2:03:04")])
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (8.52e-5, "85.2 us"),
        (1.13e-3, "1.13 ms"),
        (0.0123, "12.3 ms"),
        (0.123, "123 ms"),
        (0.9996, "1.00 s"),
        (2.5, "2.50 s"),
    ],
)
def test_time_per_step(seconds, text):
    assert per_step(seconds) == text


@given(st.floats(1e-7, 900))
def test_time_per_step_keeps_three_digits(seconds):
    number, unit = per_step(seconds).split()
    scale = {"us": 1e-6, "ms": 1e-3, "s": 1.0}[unit]
    assert float(number) * scale == pytest.approx(seconds, rel=0.0051, abs=0.0051e-6)
    assert len(number.replace(".", "")) <= 3
