# Every target does its own set-up: a virtual environment in .venv, made anew when pyproject.toml changes.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The hash of pyproject.toml is part of the stamp's name, so a new checkout date alone installs nothing.
STAMP := $(VENV)/installed-$(shell sha256sum pyproject.toml | cut -c1-16)
PYTEST := $(BIN)/pytest
JOBS ?= 2

.PHONY: demo test check lint wheel bench foreach walks soak docs clean

demo: $(STAMP)  ## The engine, workers and a job on screen, from start to result
	scripts/demo.sh

test: $(STAMP)  ## All tests; those that need a server which is missing are skipped, and named at the end
	$(PYTEST) -n $(JOBS) -m "not nightly"

check: lint test wheel  ## All of CI

lint: $(STAMP)  ## Style, format, types, import directions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(PYTEST) tests/test_layers.py

wheel: $(STAMP)  ## The wheel, proved in a clean virtual environment
	scripts/check_wheel.sh

bench: $(STAMP)  ## Cost and throughput beside a bare handler, on a real Redis and on SQLite
	$(BIN)/python -m tests.benchmarks

foreach: $(STAMP)  ## A foreach over 100,000 items and one of 20,000 undos, on a real Redis and on SQLite, with figures
	$(PYTEST) -s --timeout=0 -m nightly -k foreach

walks: $(STAMP)  ## 500 generated programs, 200 random walks each
	$(PYTEST) -n $(JOBS) --timeout=0 -m nightly -k walk

soak: $(STAMP)  ## 200,000 jobs over two replicas on a real Redis, and over one on SQLite: memory is level
	$(PYTEST) -s --timeout=0 -m nightly tests/soak

docs: $(STAMP)  ## The parts of the documentation that are written from the code
	$(BIN)/python scripts/settings_table.py
	$(BIN)/python scripts/commands_page.py
	$(BIN)/python scripts/language_pages.py
	$(BIN)/python scripts/conformance_page.py

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	rm -f $(VENV)/installed-*
	touch $@

clean:  ## Forget the virtual environment, caches and the demo's data
	rm -rf $(VENV) .demo dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
