# Each target works by itself on a fresh clone: it needs Python 3.11 or newer, git and make.
#
#   make PYTHON=python3.12            another interpreter for the virtual environment
#   make test JOBS=0                  in one process, for a debugger
#   make PIP_ARGS="--index-url ..."   another source of packages (a CPU build of torch, a mirror)

PYTHON ?= python3
PIP_ARGS ?=
JOBS ?= auto
ARGS ?=

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DISPLAYED := scripts/with_display.sh
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help venv demo demo-chat test test-heavy lint format actions messages docs screenshots tutorial notebook benchmark train train-smoke clean

help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

venv: $(STAMP) ## create the virtual environment and install everything into it

# One resolution for all, so that torch and torchvision match.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; choose one with make PYTHON=..." >&2; exit 1; }
	@PYTHON="$(PYTHON)" scripts/system_libs.sh venv
	@echo "Installing into $(VENV); the first time takes minutes, for torch is large."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade $(PIP_ARGS) "pip>=25.1"
	@$(BIN)/python -m pip install --quiet $(PIP_ARGS) --editable ".[all]" --group dev
	@touch $@

demo: $(STAMP) ## open the sample in napari and segment it (ARGS=...)
	$(DISPLAYED) $(BIN)/python scripts/demo.py $(ARGS)

demo-chat: $(STAMP) ## talk to the Chat dock about the sample (ARGS=...)
	$(DISPLAYED) $(BIN)/python scripts/demo_chat.py $(ARGS)

test: $(STAMP) ## run the tests (ARGS="tests/core -k ...")
	$(DISPLAYED) $(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal $(ARGS)

test-heavy: $(STAMP) ## run the tests that start processes of their own
	$(DISPLAYED) $(BIN)/python -m pytest -m heavy $(ARGS)

lint: $(STAMP) ## check style, types, directions of imports, manifest and metadata
	$(BIN)/ruff check .
	$(BIN)/ruff check --preview --select PLW1514 . # Windows has another default encoding
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate napari-spinalsam
	$(BIN)/validate-pyproject pyproject.toml
	$(BIN)/python scripts/document_actions.py --check
	$(BIN)/python scripts/messages.py --check

format: $(STAMP) ## rewrite the code in the style that lint asks for
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

actions: $(STAMP) ## write docs/reference/actions.md from the models of the actions
	$(BIN)/python scripts/document_actions.py

messages: $(STAMP) ## bring the catalogues of translations up to date with the code
	$(BIN)/python scripts/messages.py

docs: $(STAMP) ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

screenshots: $(STAMP) ## take the pictures of the documentation
	$(DISPLAYED) $(BIN)/python scripts/screenshots.py $(ARGS)

tutorial: $(STAMP) ## go through docs/tutorials/five-vertebrae.md and take its pictures
	$(DISPLAYED) $(BIN)/python scripts/tutorial.py $(ARGS)

notebook: $(STAMP) ## run the notebook of the documentation and store its output
	$(BIN)/python scripts/run_notebook.py $(ARGS)

benchmark: $(STAMP) ## measure the latencies of the bundled model
	$(BIN)/napari-spinalsam benchmark $(ARGS)

train: $(STAMP) ## train the bundled model again into runs/tiny (ARGS=another command)
	$(BIN)/python -m training $(or $(ARGS),prepare)
	$(if $(ARGS),,$(BIN)/python -m training fit --run runs/tiny)

train-smoke: $(STAMP) ## try every step of training an adapter, in small, in minutes
	$(BIN)/python scripts/train_smoke.py $(ARGS)

clean: ## remove the virtual environment and what the tools left
	rm -rf $(VENV) site build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
