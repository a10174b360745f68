# Everything a fresh machine with Python 3.11+ and make needs is set up by these targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export NO_MKDOCS_2_WARNING := 1

.PHONY: notes results demo test test-all test-rest test-random check docs format clean

demo: $(VENV)/.embedded
	$(BIN)/python -m clinspan demo -o demo-out --force

# The tests run the real model; it is fetched here, by its hash, so that they themselves fetch nothing.
test: $(VENV)/.dev
	$(BIN)/python -m clinspan models pull smollm2-135m-instruct
	$(BIN)/python -m clinspan models pull all-minilm-l6-v2
	$(BIN)/python -m pytest -n auto --dist worksteal --cov --cov-report=term

# All tests, with every extra that can be had; minutes of download.
test-all: $(VENV)/.all
	$(BIN)/python -m clinspan models pull smollm2-135m-instruct
	$(BIN)/python -m clinspan models pull all-minilm-l6-v2
	$(BIN)/python -m pytest -n auto --dist worksteal

# What `make test` left out, as far as the extras were missing.
test-rest: $(VENV)/.all
	$(BIN)/python -m pytest -n auto --dist worksteal --left-out

# Tests of properties with random examples; .hypothesis keeps those that fail, and the next run begins with them.
test-random: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist worksteal -m hypothesis --hypothesis-profile=random

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --strict --quiet
	$(BIN)/python tools/longest.py

docs: $(VENV)/.dev
	$(BIN)/mkdocs serve

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What the corpus of notes holds, what should be looked at in it, and how far its two markings agree.
notes: $(VENV)/.dev
	$(BIN)/python tools/notes.py check
	$(BIN)/python tools/notes.py agree

# docs/results.md, out of the figures in benchmarks/results.
results: $(VENV)/.dev
	$(BIN)/python tools/results.py page

clean:
	rm -rf $(VENV) demo-out site build dist .coverage*

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "clinspan needs Python 3.11 or newer; name one with make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.embedded: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[embedded]'
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@ $(VENV)/.embedded

$(VENV)/.all: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet -e '.[dev,qlora,ray,train]'
	@touch $@
