# The commands of this project. `make` prints them.
#
# Each target makes what it needs first: a virtual environment from the hash-locked requirements, and the code
# generated from protos/. Both are stamped, so the second run is immediate. Nothing is left running.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup proto lint breaking test fault fuzz demo run bench soak lock clean

VENV ?= .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
GENERATED := consentledger/v1/__init__.py
PROTOS := $(wildcard protos/consentledger/v1/*.proto)
DATA ?= .data

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) $(GENERATED) ## Install everything into .venv and generate the code

# The first Python that is new enough; set PYTHON to choose one.
$(INSTALLED): requirements-dev.txt pyproject.toml
	@set -e; found=; \
	for candidate in $${PYTHON:-python3.11 python3 python3.12 python3.13 python3.14 python}; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "make: no Python 3.11 or newer found; install one, or name it: make setup PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	if ! $(PY) -c 'import pip' >/dev/null 2>&1; then \
	  "$$found" -m venv --clear $(VENV) || { \
	    echo "make: '$$found -m venv' failed; Debian and Ubuntu need the package python3-venv" >&2; exit 1; }; \
	fi
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-dev.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

proto: $(GENERATED) ## Generate consentledger/v1 from protos/

# Written aside and moved in whole; __init__.py is the stamp, so that no half-made package looks ready.
$(GENERATED): $(PROTOS) $(INSTALLED)
	@rm -rf build/proto && mkdir -p build/proto
	$(PY) -m grpc_tools.protoc -Iprotos --python_out=build/proto --pyi_out=build/proto --grpc_python_out=build/proto $(PROTOS)
	@echo '"""Generated from protos/consentledger/v1 by `make proto`. Nothing here is edited or checked in."""' \
	  > build/proto/consentledger/v1/__init__.py
	@rm -rf consentledger/v1 && mv build/proto/consentledger/v1 consentledger/v1 && rm -rf build/proto

lint: setup ## Check style, types, the dependency rule and the protos
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports --no-cache
	$(VENV)/bin/buf lint protos
	@$(MAKE) --no-print-directory breaking

# Against the newest release; before the first one, against the last commit, so that a break on purpose passes once it
# is committed. BREAKING_AGAINST=<commit> compares with any other.
breaking: $(INSTALLED) ## Check that the protos break no caller
	@base=$${BREAKING_AGAINST:-$$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || echo HEAD)}; \
	if ! git cat-file -e "$$base:protos/buf.yaml" 2>/dev/null; then \
	  echo "buf breaking: skipped, since no commit here holds the protos yet ($$base)"; exit 0; \
	fi; \
	rm -rf build/breaking && mkdir -p build/breaking; \
	git archive "$$base" protos | tar -x -C build/breaking || exit 1; \
	echo "buf breaking protos --against $$base"; \
	$(VENV)/bin/buf breaking protos --against build/breaking/protos; status=$$?; \
	rm -rf build/breaking; exit $$status

test: setup ## Run every test but the slow ones; ARGS="-k name" narrows
	$(PY) -m pytest -q --durations=10 -m "not slow" $(ARGS)

fault: setup ## Run the fault tests, the slow ones included: kills, crashes, lost connections
	$(PY) -m pytest -q --durations=10 -m fault tests/fault $(ARGS)

fuzz: setup ## Run the parsers of notes, proofs, exports … against hostile bytes, and the mutants; FUZZ_RUNS=1000000
	$(PY) -m pytest -q -s -m slow tests/property/test_tlog_fuzz.py tests/property/test_verify_fuzz.py \
	  tests/property/test_tlog_mutants.py $(ARGS)

demo: setup ## Show the main job end to end, on servers of its own
	$(PY) -m examples.demo

run: setup ## Run all services in one process, data in .data; Ctrl-C stops
	$(PY) -m services --data $(DATA) --hints

bench: setup ## Measure against this machine's floors; QUICK=1 for a short run
	$(PY) -m bench $(if $(QUICK),--quick) $(ARGS)

soak: setup ## Run under load for a long time and check the promises
	$(PY) -m bench.soak $(ARGS)

lock: $(INSTALLED) ## Make the requirements*.txt again; LOCK_FLAGS=--upgrade for newer versions
	@for name in requirements requirements-dev; do \
	  UV_CUSTOM_COMPILE_COMMAND="make lock" $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url $(LOCK_FLAGS) --output-file $$name.txt $$name.in || exit 1; \
	done

clean: ## Remove all that was made here, the data of `make run` included
	rm -rf $(VENV) build consentledger/v1 *.egg-info .data .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
