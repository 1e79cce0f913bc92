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
.PHONY: help demo test acceptance cluster-test fuzz check image format params dvc mlflow s3 venv clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-13s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## Generate a dataset and run the whole chain on it
	$(BIN)/autonad demo --replace

test: $(STAMP) ## Run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m 'not acceptance and not cluster'

acceptance: $(STAMP) ## Run the pipelines and servers for real; some minutes more
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m 'acceptance and not container'

# A backend whose KUBECONFIG and kubectl are in the environment, and that has the images already (`make image`).
cluster-test: $(STAMP) ## Run the pipelines on a real Kubeflow backend; an hour
	PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m cluster tests/cluster -p no:cacheprovider

# Each kind of file begins with this seed; `make fuzz ONLY=KIND:SEED` tries one file again.
SEED ?= 0
COUNT ?= 10000

fuzz: $(STAMP) ## Damage 10,000 files and read each; minutes
	OMP_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python -m tests.fuzz $(if $(ONLY),--only $(ONLY),--seed $(SEED) --count $(COUNT))

check: $(STAMP) ## Check format, style, types and what could be unsafe
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy
	$(BIN)/bandit --quiet -ll --recursive autonad components pipelines

# The first container engine that is there. To choose: make image ENGINE=podman
ENGINE ?= $(shell for e in docker podman buildah; do command -v $$e >/dev/null && $$e info >/dev/null 2>&1 && echo $$e && break; done)
IMAGE ?= autonad
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' autonad/__init__.py)
REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)

TARGETS ?= detector full
NAME_detector = $(IMAGE)-detector
NAME_full = $(IMAGE)

image: ## Build the images autonad and autonad-detector with docker, podman or buildah
	@[ -n '$(ENGINE)' ] || { echo 'no container engine answers; start Docker, or install podman or buildah' >&2; exit 1; }
	$(foreach target,$(TARGETS),$(ENGINE) build $(BUILD_ARGS) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --target $(target) -t $(NAME_$(target)):$(VERSION) . &&) true

format: $(STAMP) ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix-only . && $(BIN)/ruff format .

params: $(STAMP) ## Write params.yaml from the defaults in autonad/config/sections.py
	$(BIN)/python -m autonad.config.document params.yaml

dvc: $(STAMP) ## Write the modules that each stage depends on into dvc.yaml, from their imports
	$(BIN)/python tests/dvc_deps.py

mlflow: $(STAMP) ## Start an MLflow server here: sqlite and local artifacts
	@echo 'Open http://127.0.0.1:$(MLFLOW_PORT)/#/experiments?workflowType=machine_learning'
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
	    $(BIN)/mlflow server --port $(MLFLOW_PORT) --workers 2 --uvicorn-opts '--timeout-worker-healthcheck 60' \
	    --backend-store-uri sqlite:///mlflow.db --artifacts-destination ./mlartifacts

s3: $(STAMP) ## Start an object store on this machine, to try S3 with
	@mkdir -p s3
	@echo 'An object store at http://127.0.0.1:9000, kept in s3/. In the shell that uses it:'
	@echo '  export AWS_ENDPOINT_URL=http://127.0.0.1:9000 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local-secret'
	@echo '  export AWS_DEFAULT_REGION=us-east-1'
	@echo '  export AWS_REQUEST_CHECKSUM_CALCULATION=when_required AWS_RESPONSE_CHECKSUM_VALIDATION=when_required'
	@echo 'Every folder in s3/ is a bucket. Ctrl-C stops it.'
	@exec "$$($(BIN)/python -c 'import importlib.util as u; print(u.find_spec("rclone_api").submodule_search_locations[0])')/bin/rclone" \
		serve s3 --addr 127.0.0.1:9000 --auth-key local,local-secret --config /dev/null s3

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
