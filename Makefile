# Everything a developer runs. Needs Python 3.11 or newer and make; all else is installed into .venv, by hash.

PYTHON ?= python3
# Used by `make lock` alone, to write the lock for every supported Python at once.
UV ?= uv
# pytest's workers; JOBS=0 runs the tests in one process (for a debugger).
JOBS ?= 2
# What more to hand to pytest: make test ARGS="tests/test_house.py -x"
ARGS ?=
# Which examples `make slow` takes: new ones every time (slow), or always the same (proof).
PROFILE ?= slow

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
PYTEST := $(BIN)/python -m pytest
PARALLEL := -n $(JOBS) --dist loadfile

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv run test check style types imports slow servers browser coverage mutants format lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

venv: .venv/.stamp ## build .venv from requirements.lock (the others do it by themselves)

run: .venv/.stamp ## the sandbox: mail server, Slack stand-in and the bot, in your browser
	@$(BIN)/parley sandbox

test: .venv/.stamp ## the default suite: fast, and all of it on this machine alone
	@$(PYTEST) $(PARALLEL) $(ARGS)

check: style types imports test ## all that must be green before a commit: format, lint, types, imports, tests

style: .venv/.stamp ## formatting and lint
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: .venv/.stamp ## strict types
	@$(BIN)/mypy

imports: .venv/.stamp ## the contracts of .importlinter
	@$(BIN)/lint-imports --no-logo --cache-dir .venv/.import-linter

slow: .venv/.stamp ## long histories and simulations
	@$(PYTEST) $(PARALLEL) -m slow --hypothesis-profile=$(PROFILE) $(ARGS)

servers: .venv/.stamp ## against Debian's Dovecot and Postfix, where they are installed
	@$(PYTEST) -m servers $(ARGS)

browser: .venv/.stamp ## in Chromium, where it is installed
	@$(PYTEST) -m browser $(ARGS)

coverage: .venv/.stamp ## the default suite with branch coverage; the core's heart must reach 100 %
	@$(BIN)/coverage erase
	@$(PYTEST) $(PARALLEL) --cov --cov-report= $(ARGS)
	@$(BIN)/coverage report
	@$(BIN)/coverage report --fail-under=100 --include='bot/flows/decide/*,bot/flows/case.py,bot/flows/calendar.py'

mutants: .venv/.stamp ## every small change to the core's heart, one at a time: which does no test see? (half an hour)
	@$(BIN)/mutmut run --max-children $(JOBS) $(ARGS)
	@$(BIN)/mutmut export-cicd-stats && cat mutants/mutmut-cicd-stats.json
	@$(BIN)/mutmut results

format: .venv/.stamp ## format, and fix what ruff can fix
	@$(BIN)/ruff check --fix-only --exit-zero .
	@$(BIN)/ruff format .

lock: ## write requirements.lock anew (needs uv; UPGRADE=--upgrade takes newer versions)
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: install it outside .venv ('pipx install uv'), or name it with UV=…" >&2; exit 1; }
	$(UV) pip compile pyproject.toml --universal --python-version 3.11 --extra postgres --extra sandbox --extra reports --extra dev \
	    --generate-hashes --no-strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-config $(UPGRADE) \
	    --quiet --output-file requirements.lock

clean: ## remove .venv and every cache
	rm -rf .venv build dist mutants .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An editable install has nothing to hash, so the lock goes first and the project after it, without its dependencies.
.venv/.stamp: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Parley needs Python 3.11 or newer, and there is no '$(PYTHON)' here: install it, or name it with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Parley needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) -V 2>&1): name a newer one, as in make PYTHON=python3.13 …" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; echo "'$(PYTHON) -m venv' failed; Debian and Ubuntu keep it in the package python3-venv" >&2; exit 1; }
	@echo "installing what requirements.lock lists into .venv"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@
