# `make demo` and `make test` are all that a new machine needs; README.md says what they install.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# Everything runs out of .venv, whatever Python the shell around it has set up.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
unexport PYTHONPATH PYTHONHOME
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell nproc)

CXX_FILES = find cpp tests -name '*.[ch]pp' -print0

.PHONY: help demo test check setup build build-demo lint format types test-unit test-py test-cpp \
        asan tsan tidy fuzz test-install bench crash simulate explore faults lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

demo: build-demo ## install what is missing, build, start the likes service, drive it, report.html
	@loadcore demo

test: check test-cpp asan tsan test-py test-install tidy ## all that CI runs

check: build lint types test-unit ## formats, linters, types, arrows and unit tests: minutes

setup: ## .venv with what the tests need
	@tools/setup test

build: setup ## build the extension in place, into .venv
	@python -m pip install --quiet --no-build-isolation --no-deps -e .

build-demo: # the same with no more than a user needs
	@tools/setup demo
	@python -m pip install --quiet --no-build-isolation --no-deps -e .

lint: setup ## clang-format and ruff, changing nothing
	@$(CXX_FILES) | xargs -0 clang-format --dry-run -Werror
	@ruff check --quiet .
	@ruff format --check --quiet .

format: setup ## clang-format and ruff, in place
	@$(CXX_FILES) | xargs -0 clang-format -i
	@ruff check --quiet --fix .
	@ruff format --quiet .

types: setup ## mypy, strict
	@mypy

test-unit: build ## the unit tests, the arrows among them
	@python -m pytest -q tests/unit

test-py: build ## all Python tests; those of the AWS half fill a process, so the others have their own
	@python -m pytest tests/aws
	@python -m pytest --ignore tests/aws

test-cpp: setup ## the C++ tests, release build
	@tools/test-cpp release

asan: setup ## the C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/test-cpp asan-ubsan

tsan: setup ## the C++ tests under ThreadSanitizer
	@tools/test-cpp tsan

fuzz: setup ## libFuzzer on every target, SECONDS=60 each; needs clang
	@tools/fuzz $(SECONDS)

test-install: setup ## sdist, then `pip install` of it into a venv of its own, then a run there
	@tools/test-install

tidy: setup ## clang-tidy over the C++ sources; unchanged files are not looked at again
	@cmp -s .clang-tidy build/tidy/.clang-tidy || rm -rf build/tidy
	@cmake -S cpp --preset tidy -Dpybind11_DIR="$$(python -m pybind11 --cmakedir)" >build/tidy.log \
	  || { cat build/tidy.log; exit 1; }
	@cp .clang-tidy build/tidy/.clang-tidy
	@cmake --build build/tidy -- -k 0

crash: build ## kill -9 the service KILLS times under load (3000); SEED=N makes the same choices again
	@LOADCORE_KILLS=$(or $(KILLS),3000) $(if $(SEED),LOADCORE_SEED=$(SEED)) \
	  python -m pytest -q -s tests/crash

simulate: setup ## HISTORIES (100000) of faults and losses of power on a simulated disk; SEED=N replays one
	@cmake -S cpp --preset release >build/configure-release.log
	@cmake --build build/release --target test_counter
	@$(if $(SEED),LOADCORE_SEED=$(SEED)) LOADCORE_HISTORIES=$(or $(HISTORIES),100000) \
	  build/release/tests/test_counter --run_test=random_histories --log_level=message

faults: build ## one fault alone at each call of a stack's life, a change in it: hours, or MINUTES of it; SEED=N; ONLY="a line it printed"
	@printf '%s\n' small full postgres containers | \
	  LOADCORE_FAULTS='$(or $(ONLY),all)' $(if $(SEED),LOADCORE_SEED=$(SEED)) \
	  $(if $(MINUTES),LOADCORE_MINUTES=$(MINUTES)) xargs -P 4 -I{} \
	  python -m pytest -q -s tests/aws/test_stack_faults.py -k 'alone and {}'

explore: build ## the property tests with examples drawn anew; a failure prints how to replay it
	@LOADCORE_EXPLORE=1 python -m pytest -q tests/property

bench: build ## loadcore against wrk, oha, hey, k6, Locust and nginx: the table in docs/benchmarks.md
	@tests/bench/peers
	@tests/bench/run --write

lock: ## write the pins anew from pyproject.toml; LOCK=--upgrade moves them to the newest
	@tools/lock $(LOCK)

clean: ## remove what was built, .venv included
	rm -rf build .venv dist report.html .mypy_cache .ruff_cache .pytest_cache .hypothesis
