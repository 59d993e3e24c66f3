# What can be done here; `make` alone lists it. Only relative paths: the folder's own path may hold spaces.
.DEFAULT_GOAL := help
.PHONY: help install install-dev demo up operate keys test test-quick test-long test-packages fuzz dist bench-engine bench-service bench-api chaos check format clean
MAKEFLAGS += --no-print-directory

# The virtual environment: VENV names it, else .venv. With PYTHON=python3.13 it has that version: .venv where there is none yet
# or it has that one, else .venv-3.13, so that trying another version costs nobody the first.
ifndef VENV
VENV := $(if $(PYTHON),$(shell sh stack/venv_folder.sh "$(PYTHON)"),.venv)
endif
PY := $(VENV)/bin/python
# ARGS goes on to the command: make test ARGS="-k broker", make demo ARGS="--duration 4"
ARGS ?=

help: ## list these commands
	@echo "Ostinato: text and melody to music. make COMMAND:"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-17s%s\n", $$1, $$2 }'

install: ## install what the service needs into .venv: 1.6 GB, with an NVIDIA driver 5.5 GB (again: does nothing; docs/install.md)
	@VENV="$(VENV)" sh stack/install.sh run

install-dev: ## the same, with the tools for tests and checks (at most 1.4 GB more)
	@VENV="$(VENV)" sh stack/install.sh dev

demo: install ## make music once: a text and a melody, two files in demo-output/, nothing left running
	@$(PY) -m stack.demo $(ARGS)

up: install ## broker, worker and API on PORT (default 8000) until Ctrl-C
	@$(PY) -m stack.up $(ARGS)

operate: install ## workers, drain, dead letters, check the configuration: make operate ARGS="check"
	@$(PY) -m stack.with_broker stack.operate $(ARGS)

keys: install ## make, list, disable API keys: make keys ARGS="create --name studio --rpm 100"
	@$(PY) -m stack.with_broker api.keys $(ARGS)

test: install-dev ## install and run all tests
	@echo "==> running the tests"
	@$(PY) -m pytest -n 3 --dist loadgroup $(ARGS)

test-quick: install-dev ## the tests of the inner loop: without those of the whole stack and the slow ones (under 4 minutes)
	@$(PY) -m pytest -n 3 --dist loadgroup -m "not long and not stack and not slow" $(ARGS)

test-long: install-dev ## the engine over hundreds of random schedules, 1503 true steps, int8's floors, kernels under sanitizers and for ARM, all presets
	@$(PY) -m pytest -s --timeout=0 --hypothesis-profile=long -m "long or crowd" tests/worker/engine tests/stack/install/test_kernels.py \
	    tests/page/test_mixer.py $(ARGS)

test-packages: install-dev ## what `make dist` builds, on Python 3.11, 3.12 and 3.13 and on Node 20.16, 22 and 24 (minutes)
	@$(PY) -m pytest -m "long or not long" tests/clients/test_installed_wheel.py tests/clients/js/test_package.py \
	    tests/clients/js/test_types.py tests/e2e/test_installed_packages.py $(ARGS)

dist: install-dev ## wheel and sdist of music_gen, npm tarball of musicgen-api into dist/, checked as their indexes do
	@$(PY) -m tools.dist

fuzz: install-dev ## schemathesis over the whole API, FUZZ_CASES (5000) cases, not the same at each run (some minutes)
	@FUZZ_CASES=$${FUZZ_CASES:-5000} $(PY) -m pytest -s --timeout=0 tests/api/openapi/test_fuzz.py $(ARGS)

bench-engine: install-dev ## the engine against its peers (18 minutes); QUICK=1 for a short one, FULL=1 for all of it (2 hours)
	@$(PY) -m bench.peer_environment
	@$(PY) -W ignore -m bench.engine $(if $(QUICK),--quick,$(if $(FULL),--full) --picture docs/engine.svg) $(ARGS)

bench-service: install-dev ## sixteen jobs through HTTP and Celery against the engine alone; QUICK=1 for a short one
	@$(PY) -W ignore -m bench.service $(if $(QUICK),--quick) $(ARGS)

bench-api: install-dev ## submit and poll against Flask + Celery AsyncResult; claims a second; foretold ends (20 minutes)
	@$(PY) -W ignore -m bench.api $(ARGS)
	@$(PY) -W ignore -m bench.scale
	@$(PY) -W ignore -m bench.waiting

chaos: install-dev ## 500 jobs while workers, broker and storage are killed (40 minutes on 2 quiet cores); ARGS="--jobs 60 --kills 6"
	@$(PY) -W ignore -m chaos $(ARGS)

check: install-dev ## ruff, mypy, and TypeScript over the page
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy --strict shared api housekeeping mixing stack worker training bench chaos tools
	MYPYPATH=clients/python $(PY) -m mypy --strict -p music_gen
	MYPYPATH=clients/python $(PY) -m mypy tests
	$(PY) -m tools.check_page

format: install-dev ## let ruff put the code in order
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

clean: ## remove caches, logs, what the demo made and `make dist` built (.venv, the broker's data, made audio and files of your own stay)
	rm -f $(addprefix demo-output/,text.wav text.png melody.wav melody.png melody-input.wav) demo-output/.*.part var/log/*.log
	rm -rf dist/music_gen-* dist/musicgen-api-* var/demo/run-[0-9]* .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@rmdir dist demo-output var/demo var/log 2>/dev/null || true
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
