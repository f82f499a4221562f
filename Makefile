# make tune      a small sweep on simulated data: trials by Ray Tune and Optuna, logged to MLflow, a leaderboard at the end
# make test      the fast tests (includes a real Ray Tune sweep); make test-slow runs the others
# make lint      ruff and mypy
#
# Every target makes the virtual environment it needs; nothing but python3 (with venv) and make must be there before.
# Overridable: PYTHON=python3.13, VENV=/path/to/venv, TUNE_ARGS="--trials 32".

PYTHON ?= python3
VENV ?= .venv
TUNE_ARGS ?=
# Two processes: half the waiting, also on two cores, for much of it is Ray and MLflow starting. A file stays together.
PYTEST_ARGS ?= -n 2 --dist loadfile

# A stamp per set of extras, so that an install happens only when the requirements changed.
STAMP = $(VENV)/.installed
RUN = $(VENV)/bin/python -m

.PHONY: help tune test test-slow lint format clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

tune: $(STAMP)-base
	@$(RUN) tune run $(TUNE_ARGS)
	@echo "To type these commands yourself, activate the environment first: . $(VENV)/bin/activate"

test: $(STAMP)-test
	$(RUN) pytest -q -m "not slow" $(PYTEST_ARGS) tests

test-slow: $(STAMP)-test
	$(RUN) pytest -q -m slow tests

lint: $(STAMP)-dev
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy

format: $(STAMP)-dev
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@echo "making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(STAMP)-base: EXTRAS =
$(STAMP)-test: EXTRAS = [test,offline]
$(STAMP)-dev: EXTRAS = [dev]

$(STAMP)-base $(STAMP)-test $(STAMP)-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing embedllm-tune$(EXTRAS) into $(VENV); the first time takes some minutes"
	@$(RUN) pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt --editable ".$(EXTRAS)"
	@touch $@
