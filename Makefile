# Every target makes .venv by itself. Nothing else on the machine is touched.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# DVC runs the stages with the `python` on PATH: it must be the one that has torch.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Nothing here may ask a model hub for anything.
export HF_HUB_OFFLINE := 1

SOURCES := looking_glass stages tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help repro report test lint format lock clean

help:  ## list the targets
	@awk -F':.*##' '/^[a-z-]+:.*##/ {printf "%-12s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

repro: $(VENV)/run.stamp  ## run the pipeline: whatever is missing or out of date
	@$(BIN)/python -m looking_glass.pipeline.mending
	$(BIN)/dvc repro

report: repro  ## run the pipeline and say where the report is
	@echo "open reports/report.html"

test: $(VENV)/dev.stamp lint  ## check style and types, then run every test
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/dev.stamp  ## style and types alone
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy $(SOURCES)

format: $(VENV)/dev.stamp  ## rewrite the sources in the house format
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

# torch pins its own accelerator libraries to exact versions and only its CUDA
# builds need them, so they stay out of the lock: a CPU build then stays small.
CUDA := cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti \
	nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile \
	nvidia-curand nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 \
	nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx triton
COMPILE := $(BIN)/uv pip compile --quiet --universal --upgrade --python-version 3.11 \
	--custom-compile-command "make lock" $(addprefix --no-emit-package ,$(CUDA))

lock: $(VENV)/dev.stamp  ## compile the lock files anew from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE) pyproject.toml --output-file requirements.txt
	$(COMPILE) pyproject.toml --group dev --constraint requirements.txt --output-file requirements-dev.txt

clean:  ## remove the environment and what tests leave behind
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is required; " + sys.executable + " is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: $(BIN)/python requirements.txt
	$(BIN)/python -m pip install --requirement requirements.txt
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.txt
	$(BIN)/python -m pip install --requirement requirements-dev.txt
	@touch $@
