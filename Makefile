# Every target does the set-up that it needs; `make help` lists them.

PYTHON ?= python3
PEERS ?= ../structdsl-peers
BIN := .venv/bin

.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: .venv/installed ## make .venv with everything in it, at the pinned versions

.venv/installed: pyproject.toml constraints.txt hatch_build.py grammar/adapt.lark
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "structdsl needs Python 3.11 or newer; set PYTHON=")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

quickstart: setup ## adapt a small model to an invented world, in a few minutes on a CPU
	cd examples/quickstart && ../../$(BIN)/structdsl run quickstart.adapt

test: setup ## run the tests (no network, no GPU)
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -n auto

stress: setup ## compile ten thousand damaged specs, kill fifty runs of the data plan (MUTANTS=n, ROUNDS=n for other numbers)
	MUTANTS=$${MUTANTS:-10000} $(BIN)/python -m pytest tests/diagnostics/test_mutations.py
	ROUNDS=$${ROUNDS:-50} $(BIN)/python -m pytest tests/end_to_end/test_killed_at_random.py

lint: setup ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: setup ## write what is generated from the code: docs/language, plan.schema.json
	$(BIN)/python -m docs.generate

bench: setup ## measure what a user waits for: help, compile, plan, a run with nothing to do, a query; specs of any size
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python -m benchmarks.compile.run

bench-data: setup ## corpora to packed rows beside the tools of today: PEERS=DIR is where their environments and the corpus go
	$(BIN)/python -m benchmarks.data.venvs --venvs $(PEERS)/venvs
	$(BIN)/python -m benchmarks.data.run --scratch $(PEERS)/scratch --venvs $(PEERS)/venvs

bench-mixcpt: setup ## learning against forgetting under LSSD, KD and replay: the reduced form, a quarter of an hour
	$(BIN)/python -m benchmarks.mixcpt.run --reduced

bench-training: setup ## tokens a second beside TRL and a bare loop; what distillation costs; memory of the loss
	$(BIN)/python -m benchmarks.training.throughput
	$(BIN)/python -m benchmarks.training.distillation
	$(BIN)/python -m benchmarks.training.memory

clean: ## remove what builds and runs left (not .venv)
	rm -rf build dist .structdsl .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf examples/*/build examples/*/.structdsl structdsl/syntax/adapt.tables

.PHONY: help setup quickstart test stress lint docs bench bench-data bench-mixcpt bench-training clean
