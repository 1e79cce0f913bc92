# Everything a developer or CI runs. The first use makes a virtual environment in .venv.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

# The first Python on the path that is new enough. To choose: make PYTHON=/path/to/python
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do $$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)

# Where `make mlflow` listens.
MLFLOW_PORT ?= 5000

.DEFAULT_GOAL := help
.PHONY: help demo test check format params mlflow venv clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## Generate a dataset and run the whole chain on it
	$(BIN)/autonad demo

test: $(STAMP) ## Run all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

check: $(STAMP) ## Check format, style and types
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

format: $(STAMP) ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix-only . && $(BIN)/ruff format .

params: $(STAMP) ## Write params.yaml from the defaults in autonad/config.py
	$(BIN)/python -m autonad.config_file params.yaml

mlflow: $(STAMP) ## Start an MLflow server here: sqlite and local artifacts
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server --port $(MLFLOW_PORT) \
	    --backend-store-uri sqlite:///mlflow.db --artifacts-destination ./mlartifacts

venv: $(STAMP) ## Make the virtual environment

clean: ## Remove the virtual environment and all caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache build dist && find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@'$(PYTHON)' -c '$(NEW_ENOUGH)' 2>/dev/null || { echo 'AutoNAD needs Python 3.11 or newer; install it, or name it: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	'$(PYTHON)' -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(STAMP): $(BIN)/python pyproject.toml constraints.txt
	@echo 'Installing AutoNAD and its libraries into $(VENV); this takes some minutes the first time.'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
