# Everything here works on a fresh machine with Python 3.11 to 3.13, make and a package index.
#   make demo     draws images, trains, scores, reports; DATA=folder BACKBONE=hub:folder for real ones
#   make check    linters, types, import contracts and the unit tests: about a minute
#   make test     the same and all other tests, with real servers from wheels
#   make chaos    faults, properties and damaged images at length: some twenty minutes
#   make bench    the benchmarks, on real images where ../shared is there
#   make docs     runs the pages that show output, then as make site
#   make site     the documentation as a site, to be read from disk: .work/site/html/index.html
#   make reference   the pages of docs/reference that are made from the programs
#   make install  the environment alone, in .venv
#   make clean    removes what demo and test made

RIGHT_VERSION = import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(RIGHT_VERSION)' 2>/dev/null && echo $$python && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/pip --disable-pip-version-check --quiet

# Tests start a thousand programs: each would compile the project again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo check test lint types suite docs site reference chaos bench lock clean

install: $(VENV)/.installed

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.13 is needed: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing what is needed into $(VENV), 3 GB in all: this takes some minutes"
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-build-isolation --no-deps --editable .
	touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.installed
	$(PIP) install --require-hashes -r requirements-dev.lock
	touch $@

demo: install
	PATH="$(abspath $(BIN)):$$PATH" demo/run "$(DATA)" "$(BACKBONE)"

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy

check: lint types
	$(BIN)/pytest --numprocesses 2 tests/unit

# The types beside the tests: each of the two leaves a core unused for a while.
test: lint
	$(MAKE) --jobs=2 types suite

# In the order of the folders: files of few and long tests first, so that no core waits at the end.
# Four at once: many tests wait for a process, a lease or a clock.
suite: $(VENV)/.dev
	$(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder --cov

# Fails where what commands print is not what the pages show. If the new output is right:
#   PYTHONPATH=tests/helpers .venv/bin/python -m walkthrough --write
docs: $(VENV)/.dev
	PYTHONPATH=tests/helpers $(BIN)/python -m walkthrough
	$(BIN)/python docs/site/build.py

# Fails on a link or an anchor that leads nowhere.
site: $(VENV)/.dev
	$(BIN)/python docs/site/build.py

reference: $(VENV)/.dev
	PYTHONPATH=tests/helpers $(BIN)/python -m reference

chaos: $(VENV)/.dev
	$(BIN)/python tests/faults/chaos.py --kills 200 --images 100000
	PROPERTY_EXAMPLES=500 $(BIN)/pytest tests/integration/test_ledger_properties.py tests/unit/test_manifest_properties.py
	$(BIN)/python tests/faults/fuzz_decode.py --count 10000

# Each benchmark measures both sides in one run and prints their ratio; docs/performance.md and
# docs/training.md keep them.
bench: $(VENV)/.dev
	for benchmark in benchmarks/bench_*.py; do $(BIN)/python $$benchmark || exit 1; done

# Needs uv (https://docs.astral.sh/uv/); addresses of package indexes stay out of the files.
COMPILE = uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --quiet
lock:
	$(COMPILE) --group build --output-file requirements.lock
	$(COMPILE) --group build --extra gpu --constraint requirements.lock --output-file requirements-gpu.lock
	$(COMPILE) --group dev --constraint requirements.lock --output-file requirements-dev.lock

clean:
	rm -rf .work .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
