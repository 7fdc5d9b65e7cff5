# Every command of this checkout. Each target makes what it needs; a second call starts at once.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
ARGS ?=
# Tests wait for processes and deadlines more than they compute: one at a time more than cores.
JOBS ?= $(shell expr $$(nproc) + 1)

.PHONY: help up test ha check docs bench lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-6s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## start the gateway with a sandbox; ARGS='--time-scale 10' goes to `kodgate up`
	@scripts/setup run
	@$(BIN)/kodgate up $(ARGS)

test: ## run all tests, JOBS at a time; ARGS='tests/core -k ledger' goes to pytest
	@scripts/setup dev
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

ha: ## kill leaders and nodes under load (minutes); HA_FAILOVERS=20 HA_KILLS=20 for the long run
	@scripts/setup dev
	@scripts/ha-tools
	@$(BIN)/python -m pytest -m ha -s $(or $(ARGS),tests/ha)

check: ## style, types, import rules, generated docs
	@scripts/setup dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy scripts bench
	$(BIN)/mypy -p deploy.local
	$(BIN)/lint-imports
	$(BIN)/python scripts/docs.py --check

docs: ## renew the blocks of docs/ that are made from the code
	@scripts/setup dev
	@$(BIN)/python scripts/docs.py

bench: ## measure this machine; ARGS='--quick' for a first look
	@scripts/setup dev
	@$(BIN)/python -m bench $(ARGS)

lock: ## renew the hashed locks (UPGRADE=--upgrade takes newer versions)
	@scripts/setup dev
	@scripts/lock $(UPGRADE)

clean: ## remove the environment and caches; data stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* htmlcov dist
