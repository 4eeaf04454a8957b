# Everything one does with Allot from a checkout. `make demo` shows it, `make test` proves it.
.DEFAULT_GOAL := help
.PHONY: help demo up down test test-slow mutation bench lint format docs lock env env-test clean
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
export PYTHON

BIN := .venv/bin
SOURCES := domain rights ledger views notifications workflows activities command_line embedded $(wildcard *.py) tests bench deploy
# Each process has servers of its own; a file stays in one process, because its tests may share them. In the order of the
# folders: sorted by their number of tests, the longest file, which has one test, would come last and run alone.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# Sets PYTEST_ARGS="-k name -x" and the like.
PYTEST_ARGS ?=

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

demo: env ## Show the whole way once on sample data, then keep running until Ctrl-C (KEEP=0: end after the tables)
	@exec $(BIN)/allot demo $(if $(filter 0,$(KEEP)),--no-keep)

up: env ## Start PostgreSQL, Temporal and a worker, until Ctrl-C or `make down`
	@exec $(BIN)/allot up

down: env ## Stop what `make up` or `make demo` started
	@$(BIN)/allot down

test: env-test lint ## Check style, types and sizes, then run the tests
	@$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-slow: env-test ## Run the tests that take more than ten seconds each
	@$(PYTEST) --dist worksteal -m slow $(PYTEST_ARGS)

# Sets MUTANTS='domain.schedule*' to try those of some modules alone.
MUTANTS ?=
mutation: env ## Plant small faults in the rules and print how many the tests of the domain find; takes an hour or more
	@# A fault may make a loop endless that collects something; it then runs into this limit (KiB), not into the machine's.
	@ulimit -v 6000000 && $(BIN)/mutmut run --max-children 2 $(if $(MUTANTS),'$(MUTANTS)')
	@$(BIN)/python deploy/lint/mutation_score.py

bench: env ## Measure speed against peers and limits
	@$(BIN)/python -m bench

lint: env ## Check style, types, imports and sizes
	@out=$$($(BIN)/ruff format --check --output-format concise .) || { echo "$$out"; echo "lint: run \`make format\`"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@out=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$out"; exit 1; }
	@$(BIN)/python deploy/lint/size_limits.py
	@$(BIN)/mypy --no-error-summary $(wildcard $(SOURCES))
	@echo "lint: passed"

format: env ## Bring the sources into shape
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

docs: env ## Write the pages that are made from the code
	@$(BIN)/python -c 'from domain.catalogue import catalogue; print(catalogue(), end="")' > docs/events.md
	@$(BIN)/python -m command_line.reference
	@$(BIN)/python -m activities.cost_formats_page

LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.12
lock: env ## Choose package versions anew, for development and for the container image
	@$(LOCK) pyproject.toml --group embedded --group test --group lint --group mutation --group bench --group build -o requirements.lock
	@$(LOCK) pyproject.toml -o deploy/requirements.lock

env: ## Make .venv and see to it that Temporal is there; quick when nothing changed
	@deploy/bootstrap/make-env
	@deploy/bootstrap/get-temporal

env-test: env ## The same, and the time-skipping test server
	@deploy/bootstrap/get-test-server

clean: ## Remove everything that was made here, data of the embedded stack included
	@if [ -x $(BIN)/python ]; then \
		$(BIN)/python -c 'from embedded import stack, state; stack.remove(state.chosen_state_dir())' || true; fi
	@rm -rf .venv .allot .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build mutants *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
