# Every target makes .venv by itself. Nothing else on the machine is touched.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# What is not run with the project, and must not share its packages: environments of their own.
TOOLS  := $(VENV)/tools
INTEROP := $(VENV)/interop
# DVC runs the stages with the `python` on PATH: it must be the one that has torch.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Nothing here may ask a model hub for anything.
export HF_HUB_OFFLINE := 1
# Deno, which lints JavaScript, keeps what it keeps in here, and asks nobody for a newer one.
export DENO_DIR := $(CURDIR)/$(VENV)/deno
export DENO_NO_UPDATE_CHECK := 1

SOURCES := looking_glass stages tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help repro report test interop verify lint format kernel lock audit clean

help:  ## list the targets
	@awk -F':.*##' '/^[a-z-]+:.*##/ {printf "%-12s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

repro: $(VENV)/run.stamp  ## run the pipeline: whatever is missing or out of date
	@$(BIN)/python -m looking_glass.pipeline.mending
	$(BIN)/dvc repro

report: repro  ## run the pipeline and say where the report is
	@echo "open reports/report.html"

test: $(VENV)/dev.stamp lint  ## check style and types, then run every test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 12

interop: $(INTEROP)/interop.stamp  ## open the model with other tools, and share a cache
	$(INTEROP)/bin/python -m pytest tests/interop

verify: $(VENV)/run.stamp  ## run the last commit anew and compare it with what is committed
	$(BIN)/python -m stages.verify

lint: $(VENV)/dev.stamp  ## style and types alone
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy $(SOURCES)
	$(BIN)/deno lint --quiet looking_glass tests
	$(BIN)/deno check --quiet looking_glass/report/live/*.js

format: $(VENV)/dev.stamp  ## rewrite the sources in the house format
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

kernel: $(VENV)/dev.stamp  ## assemble the WebAssembly of the live page anew
	$(BIN)/python -m tests.helpers.kernel

# torch is locked in a file of its own, without hashes, and so are the accelerator libraries that
# some of its builds bring: docs/dependencies.md says why.
TORCH := torch cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti \
	nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile \
	nvidia-curand nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 \
	nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx triton
COMPILE := $(TOOLS)/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--custom-compile-command "make lock" $(UPGRADE) $(addprefix --no-emit-package ,$(TORCH))

lock: $(TOOLS)/tools.stamp  ## compile the lock files; newer versions: make lock UPGRADE=--upgrade
	$(COMPILE) pyproject.toml --output-file requirements.txt
	$(COMPILE) pyproject.toml --group dev --constraint requirements.txt --output-file requirements-dev.txt
	$(COMPILE) --group build --constraint requirements.txt --output-file requirements-build.txt
	$(COMPILE) pyproject.toml --group interop --constraint requirements-dev.txt --output-file requirements-interop.txt
	$(COMPILE) --group tools --output-file requirements-tools.txt

audit: $(VENV)/dev.stamp $(TOOLS)/tools.stamp  ## known faults and the licences of all dependencies
	$(TOOLS)/bin/pip-licenses --with-system --python $(BIN)/python --from mixed --format markdown
	$(TOOLS)/bin/pip-audit --strict --disable-pip --no-deps $(foreach name,-dev -torch -build -tools -interop,--requirement requirements$(name).txt)

clean:  ## remove the environment and what tests leave behind
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is required; " + sys.executable + " is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

# Every package is held to its hash, and what has no wheel is built with what is locked.
INSTALL := $(BIN)/python -m pip install --require-hashes --no-build-isolation
$(VENV)/run.stamp: $(BIN)/python requirements.txt requirements-build.txt requirements-torch.txt
	$(INSTALL) --requirement requirements-build.txt
	$(INSTALL) --requirement requirements.txt
	$(BIN)/python -m pip install --requirement requirements-torch.txt
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.txt
	$(INSTALL) --requirement requirements-dev.txt
	@touch $@

# Some of these ask for versions that others refuse, and run without them: no package brings another.
$(INTEROP)/interop.stamp: $(BIN)/python requirements-interop.txt requirements-build.txt requirements-torch.txt
	$(BIN)/python -m venv $(INTEROP)
	$(INTEROP)/bin/python -m pip install --require-hashes --requirement requirements-build.txt
	$(INTEROP)/bin/python -m pip install --require-hashes --no-build-isolation --no-deps --requirement requirements-interop.txt
	$(INTEROP)/bin/python -m pip install --requirement requirements-torch.txt
	@touch $@

$(TOOLS)/tools.stamp: $(BIN)/python requirements-tools.txt
	$(BIN)/python -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --require-hashes --only-binary :all: --requirement requirements-tools.txt
	@touch $@
