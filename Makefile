# Every target with one line: make help
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
FULL_READY := .venv/.ready-full
BENCH_READY := .venv/.ready-bench

.DEFAULT_GOAL := help
.PHONY: help setup demo train ui test test-full lint types bench bench-sweeps clean

help: ## show every target with one line
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(READY) ## make .venv with pinned versions (once)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "labkit needs Python >= 3.11: make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(FULL_READY): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,parallel,slurm,ray,postgresql]'
	@touch $@

$(BENCH_READY): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,bench]'
	@touch $@

demo: setup ## a coarse-to-fine search for loss.l2 on embedded data, with a table and a report page
	$(BIN)/labkit sweeps=demo

train: setup ## one run: make train ARGS="experiment=kth/ex3 seed=1"
	$(BIN)/labkit $(ARGS)

ui: setup ## open MLflow's UI on the store under mlruns/, on this machine only
	$(BIN)/python -m labkit.tracking.ui

test: setup ## the test suite: no network, no data files
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-full: $(FULL_READY) ## also the slow tests, each launcher, PostgreSQL, and real data where LABKIT_DATA is set
	$(BIN)/python -m pytest -m ''

lint: setup ## ruff: style and format
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: setup ## mypy
	$(BIN)/mypy

bench: setup ## our step against a plain torch loop, start-up, memory
	$(BIN)/python benchmarks/run.py

bench-sweeps: $(BENCH_READY) ## whole sweeps against what one would use instead, on real data (LABKIT_DATA); an hour
	$(BIN)/python -m benchmarks.sweeps $(ARGS)

clean: ## remove the environment and caches; runs in mlruns/ stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
