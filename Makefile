# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Paths are relative and programs run as `python -m`, so the folder may have spaces in its name.

PYTHON ?= python3
RUN := .venv/bin/python
INSTALL := $(RUN) -m pip install --quiet --disable-pip-version-check --prefer-binary --no-compile --constraint constraints.txt
PYTEST := $(RUN) -m pytest -n 2
TEST_TARGETS := test slow nightly mutations check

.PHONY: help demo test slow nightly mutations check lint types layers format commands site clean
.DEFAULT_GOAL := help

help:                       ## what there is to type
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 12

demo: .venv/.core-installed ## reconstruct the bundled real crop: demo/labels.zarr, demo/report.html
	$(RUN) -m savem3 demo

test: .venv/.dev-installed  ## the tests that are quick on two cores
	$(PYTEST)

slow: .venv/.dev-installed  ## the tests that take longer than five seconds each
	$(PYTEST) -m slow

nightly: .venv/.dev-installed ## 5,000 volumes in random blocks and 1,000 kills: hours
	SAVEM3_CASES=5000 SAVEM3_KILLS=1000 $(PYTEST) -m slow tests/runs

mutations: .venv/.dev-installed ## break what makes blocks exact, and see that tests notice
	$(RUN) scripts/mutations.py

check: lint types layers test ## all that a change must pass

lint: .venv/.dev-installed  ## ruff: rules and format
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

types: .venv/.dev-installed ## mypy, strict, on src
	$(RUN) -m mypy

layers: .venv/.dev-installed ## import-linter: who may import whom
	$(RUN) -c "from importlinter.cli import lint_imports_command as check; check()"

format: .venv/.dev-installed ## mend what ruff can mend
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

commands: .venv/.dev-installed ## write docs/reference-commands.md from the program
	$(RUN) docs/_site/commands.py

site: .venv/.docs-installed ## these pages as a site, strict: build/site/index.html
	@# never with --quiet: it hides warnings from --strict
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

clean:                      ## remove the environment and the demo's output
	rm -rf .venv demo build

$(TEST_TARGETS): export OMP_NUM_THREADS = 1

.venv/.core-installed: pyproject.toml constraints.txt | .venv/pyvenv.cfg
	@echo "Installing savem3 into .venv (a few minutes, once)"
	@$(INSTALL) --editable .
	@touch .venv/.core-installed

.venv/.dev-installed: pyproject.toml constraints.txt | .venv/pyvenv.cfg
	@echo "Installing savem3 and its tests' tools into .venv (a few minutes, once)"
	@$(INSTALL) --editable ".[dev]"
	@touch .venv/.core-installed .venv/.dev-installed

.venv/.docs-installed: pyproject.toml constraints.txt | .venv/pyvenv.cfg
	@$(INSTALL) --editable ".[docs]"
	@touch .venv/.core-installed .venv/.docs-installed

.venv/pyvenv.cfg:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "\
	python must be 3.11 or newer, got `$(PYTHON) --version 2>&1`; \
	name another one: make demo PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "\
	python must be able to make environments; on Debian or Ubuntu: apt install python3-venv" >&2; exit 2; }
