# Every target with one line: make help
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
FULL_READY := .venv/.ready-full
BENCH_READY := .venv/.ready-bench
PROFILE ?= quick
LAB_PARTS := bgu-part1 bgu-part2 boulder-part1 boulder-part2 boulder-part3 boulder-extra \
	caltech-part1 caltech-part2 caltech-part3 caltech-part3-theory \
	kth-ex1-2 kth-ex3 kth-ex4 kth-search kth-final kth-bonus \
	montreal-init montreal-search montreal-gradients montreal-cnn

.DEFAULT_GOAL := help
.PHONY: help setup demo train check labs results ui test test-full lint types bench bench-sweeps clean $(LAB_PARTS)

help: ## show every target with one line
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'
	@echo "  make LAB-PART      a part of a lab, PROFILE=smoke (embedded data), quick or full: $(LAB_PARTS);"
	@echo "                     DATA=fsdd gives boulder's parts another data set"

setup: $(READY) ## make .venv with pinned versions (once)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "labkit needs Python >= 3.11: make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(FULL_READY): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,slurm,ray,postgresql]'
	@touch $@

$(BENCH_READY): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,bench]'
	@touch $@

demo: setup ## a coarse-to-fine search for loss.l2 on embedded data, with a table and a report page
	$(BIN)/labkit sweeps=demo

train: setup ## one run: make train ARGS="experiment=kth/ex3 seed=1"
	$(BIN)/labkit $(ARGS)

check: setup ## gradients, Jacobians and sanity of every layer, loss and model: a table with verdicts, 12 s
	$(BIN)/labkit task=check $(ARGS)

$(LAB_PARTS): setup
	$(BIN)/labkit task=lab lab=$(firstword $(subst -, ,$@)) part=$(patsubst $(firstword $(subst -, ,$@))-%,%,$@) profile=$(PROFILE) $(if $(DATA),data=$(DATA)) $(ARGS)

labs: setup ## every part of every lab: make labs PROFILE=smoke; call it again after a kill and it goes on
	$(BIN)/labkit task=lab lab=all profile=$(PROFILE) $(ARGS)

results: setup ## mlruns/reports/results.md from the parts that have run; ARGS=task.file=... puts it elsewhere
	$(BIN)/labkit task=report lab=all $(ARGS)

ui: setup ## open MLflow's UI on the store under mlruns/, on this machine only
	$(BIN)/labkit ui $(ARGS)

# Compiled once, not by every worker and every process that a test starts.
test test-full: export PYTHONDONTWRITEBYTECODE :=

test: setup ## the test suite: no network, no data files
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-full: $(FULL_READY) ## also the slow tests, each launcher, PostgreSQL, and real data where LABKIT_DATA is set
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
	$(BIN)/python -m pytest -m "slow or real_data"

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
