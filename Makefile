# What can be done here; `make` alone lists it. Only relative paths: the folder's own path may hold spaces.
.DEFAULT_GOAL := help
.PHONY: help install install-dev demo up test test-long bench-engine check format clean
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
# ARGS goes on to the command: make test ARGS="-k broker", make demo ARGS="--duration 4"
ARGS ?=

help: ## list these commands
	@echo "Ostinato: text and melody to music. make COMMAND:"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s%s\n", $$1, $$2 }'

install: ## install what the service needs into .venv (again: does nothing)
	@sh stack/install.sh run

install-dev: ## the same, with the tools for tests and checks
	@sh stack/install.sh dev

demo: install ## make music once: a text and a melody, two files in demo-output/, nothing left running
	@$(PY) -m stack.demo $(ARGS)

up: install ## broker, worker and API on PORT (default 8000) until Ctrl-C
	@$(PY) -m stack.up $(ARGS)

test: install-dev ## install and run all tests
	@echo "==> running the tests"
	@$(PY) -m pytest -n 2 --dist loadgroup $(ARGS)

test-long: install-dev ## the engine's properties over hundreds of random schedules (half an hour)
	@$(PY) -m pytest --hypothesis-profile=long tests/worker/engine $(ARGS)

bench-engine: install-dev ## the engine against audiocraft, MusicGen-small's shape; QUICK=1 for a short one
	@$(PY) -W ignore -m bench.engine $(if $(QUICK),--duration 2 --rounds 1 --songs 1 8) $(ARGS)

check: install-dev ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy --strict shared api stack

format: install-dev ## let ruff put the code in order
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

clean: ## remove caches, logs and the demo's files (.venv, the broker's data and made audio stay)
	rm -rf demo-output var/demo var/log .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
