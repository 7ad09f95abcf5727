# make demo and make test are all that a new machine needs; see README.md.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup build test test-cpp test-py clean

setup:
	@tools/setup

build: setup
	@pip install --quiet --no-build-isolation --no-deps -e .

test: build test-cpp test-py

test-cpp: setup
	@cmake -S cpp --preset release >build/configure-release.log || { cat build/configure-release.log; exit 1; }
	@cmake --build build/release
	@ctest --test-dir build/release --output-on-failure

test-py: build
	@pytest

clean:
	rm -rf build $(VENV)
