# Every verb sets up what it needs. A fresh machine needs Python 3.11 or newer and make, nothing else.

VENV    := .venv
BENCH   := .venv-bench
PYTHON  ?= python3
WORKERS ?= auto
PY      := $(VENV)/bin/python
PROTOS  := $(wildcard protos/xaisvc/v1/*.proto)
export UV_PYTHON_DOWNLOADS := never
# A bank signs its own certificates: trust what the machine trusts.
export UV_SYSTEM_CERTS ?= true

# uv from the machine if it is there, else the pinned one inside the environment.
UV = $$(command -v uv || echo $(VENV)/bin/uv)
INSTALL = $(UV) pip install --quiet --python $(PY) --build-constraints requirements/build.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types fmt protos protos-check wheel-test check bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.dev ## Create .venv with everything that development needs

demo: $(VENV)/.runtime ## Explain real credit decisions to five readers, into out/demo (SERVE=1: keep the service running)
	$(PY) -m xaisvc.cli demo --out out/demo $(if $(filter 1,$(SERVE)),--serve)

test: $(VENV)/.dev ## Run the tests (WORKERS=n for n processes, ARGS="..." for pytest)
	$(PY) -m pytest -n $(WORKERS) --ignore tests/packaging/test_wheel.py $(ARGS)

lint: $(VENV)/.dev ## Check style, the direction of imports and the protos
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/buf lint protos
	@if git cat-file -e main:protos/buf.yaml 2>/dev/null; \
	then set -x; $(VENV)/bin/buf breaking protos --against ".git#ref=$$(git rev-parse main),subdir=protos"; \
	else echo "buf breaking: skipped, there is no main branch with protos to compare with"; fi

types: $(VENV)/.dev ## Check types
	$(VENV)/bin/mypy

fmt: $(VENV)/.dev ## Format, and mend what can be mended
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

protos: $(VENV)/.dev ## Write xaisvc/v1 anew from protos/
	rm -f xaisvc/v1/*_pb2.py xaisvc/v1/*_pb2.pyi xaisvc/v1/*_pb2_grpc.py xaisvc/v1/*_pb2_grpc.pyi
	$(call protoc,.)

protos-check: $(VENV)/.dev ## Check that xaisvc/v1 is what protos/ gives
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(call protoc,"$$fresh") \
	&& diff -r -x __init__.py -x __pycache__ "$$fresh/xaisvc/v1" xaisvc/v1 \
	|| { echo "xaisvc/v1 is not what protos/ gives: run 'make protos' and commit the result" >&2; exit 1; }

wheel-test: $(VENV)/.dev ## Build the wheel and try it in a clean environment
	$(PY) -m pytest -n0 tests/packaging/test_wheel.py

bench: $(BENCH)/.bench ## Measure speed and accuracy beside other explainers (ARGS="--quick" for minutes instead of hours)
	$(BENCH)/bin/python -m benchmarks.performance run $(ARGS)

check: lint types protos-check test wheel-test ## Everything that CI runs

lock: $(VENV)/.created ## Write requirements/ anew: newest versions that pyproject.toml allows
	$(UV) $(compile) --group build --output-file requirements/build.txt
	$(UV) $(compile) pyproject.toml --extra cpu --extra pdf --extra traces --extra dev --output-file requirements/dev.txt
	$(UV) $(compile) pyproject.toml --extra cpu --extra traces --constraints requirements/dev.txt --output-file requirements/cpu.txt
	$(UV) $(compile) pyproject.toml --extra gpu --extra traces --constraints requirements/dev.txt --output-file requirements/gpu.txt
	$(UV) $(compile) pyproject.toml --extra cpu --extra bench --constraints requirements/dev.txt \
		$(patsubst %,--no-emit-package %,$(UNWANTED)) --output-file requirements/bench.txt

clean: ## Remove what was built; .venv stays
	rm -rf build dist out .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage*

protoc = $(PY) -m grpc_tools.protoc --proto_path=protos --python_out=$(1) --grpc_python_out=$(1) \
	--plugin=protoc-gen-mypy=$(VENV)/bin/protoc-gen-mypy --mypy_out=quiet:$(1) \
	--plugin=protoc-gen-mypy_grpc=$(VENV)/bin/protoc-gen-mypy_grpc --mypy_grpc_out=quiet:$(1) $(PROTOS)

# Names, versions and hashes only: an address of a package index would tie the project to one machine's set-up.
compile = pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

# fasttreeshap-fixed asks for xgboost, which brings CUDA libraries; xgboost-cpu is the same module without them.
UNWANTED = xgboost nvidia-nccl-cu12 nvidia-nccl-cu13

# Stamps: the environment is touched again only when a requirement file changes.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "xaisvc needs Python 3.11 or newer, \
	and '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Name another with: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@echo "Creating $(VENV) ..."
	@if command -v uv >/dev/null; then uv venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" $(VENV); \
	else $(PYTHON) -m venv $(VENV) && $(PY) -m pip install --quiet --require-hashes -r requirements/build.txt; fi
	@touch $@

$(VENV)/.runtime: requirements/cpu.txt pyproject.toml | $(VENV)/.created
	@echo "Installing requirements/cpu.txt into $(VENV) ..."
	@$(INSTALL) --require-hashes -r requirements/cpu.txt
	@$(INSTALL) --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/.created
	@echo "Installing requirements/dev.txt into $(VENV) ..."
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@$(INSTALL) --no-deps --editable .
	@touch $(VENV)/.runtime $@

# Other explainers live in an environment of their own: nothing that we ship or develop with depends on them.
$(BENCH)/.bench: requirements/bench.txt pyproject.toml | $(VENV)/.created
	@echo "Installing requirements/bench.txt into $(BENCH) ..."
	@if command -v uv >/dev/null; then uv venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" $(BENCH); \
	else $(PYTHON) -m venv $(BENCH); fi
	@$(UV) pip install --quiet --python $(BENCH)/bin/python --build-constraints requirements/build.txt \
		--no-deps --require-hashes -r requirements/bench.txt
	@$(UV) pip install --quiet --python $(BENCH)/bin/python --build-constraints requirements/build.txt --no-deps --editable .
	@touch $@
