# Each target works alone on a fresh machine with Python 3.10 or later: it makes .venv, installs, and does its job.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-slow install clean

install: .venv/.installed

.venv/.installed: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "ptrack needs Python 3.10 or later")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

demo: install
	$(BIN)/ptrack demo

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -m 'not slow'

test-slow: install
	$(BIN)/python -m pytest -m slow

clean:
	rm -rf .venv build dist *.egg-info
