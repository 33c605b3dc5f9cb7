# Every target sets up what it needs; a second call needs no network.
PYTHON ?= python3
BIN := .venv/bin
SET_UP := $(PYTHON) scripts/set_up.py

.DEFAULT_GOAL := help
.PHONY: help up demo test lint bench faults wheel

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1	/' | expand -t 14

up: ## Start the studio and print its address
	@$(SET_UP) run
	@$(BIN)/tunewright up

demo: ## Fine-tune the demo model from end to end; leaves demo-adapter.zip
	@$(SET_UP) run
	@$(BIN)/tunewright demo

# These neither start a studio nor train, so they may share the cores; the others want them for themselves.
SIDE_BY_SIDE := $(addprefix tests/,app base_models budget checks chores datasets examples faults/simulator formats ladders mending methods runs spending splitting)
PYTEST := $(BIN)/python -m pytest -m "not faults and not gpu" --durations=15

test: ## Run all tests, or those that ARGS names
	@$(SET_UP) test
ifdef ARGS
	$(PYTEST) $(ARGS)
else
	$(PYTEST) -n auto --maxprocesses 4 --dist loadfile $(SIDE_BY_SIDE)
	$(PYTEST) $(addprefix --ignore=,$(SIDE_BY_SIDE))
endif

faults: ## Run the long fault-injection tests
	@$(SET_UP) test
	$(BIN)/python -m pytest -m faults $(ARGS)

lint: ## Check style, types and import rules
	@$(SET_UP) test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint templates --lint

bench: ## Run the benchmarks and print their figures
	@$(SET_UP) test
	@for file in $$(grep -l __main__ benchmarks/*.py); do echo "== $$file"; $(BIN)/python -m benchmarks.$$(basename $$file .py) || exit 1; done

wheel: ## Build the wheel into dist/
	@$(SET_UP) test
	rm -rf build
	$(BIN)/python -m build --wheel --no-isolation
