# make run    set everything up and start the app on the embedded model
# make test   set everything up and run the tests
# make check  what CI runs: format, lint, types, import rules, tests
# make bench  measure and rewrite BENCHMARKS.md
# make bench-tools  build llama.cpp's own programs, for make bench to compare with (5 minutes)
# make snapshots  retake the README's picture from the real app
# make cuda   replace MLX's CPU build by its CUDA build (Linux with an NVIDIA GPU)
# make clean  remove what the targets above made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
TOOLS := build/llama.cpp-tools
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run test check lint bench bench-tools snapshots cuda clean
.DELETE_ON_ERROR:

run: $(INSTALLED)
	@$(BIN)/llm-tui $(ARGS)

test: $(INSTALLED_DEV)
	$(BIN)/pytest

lint: $(INSTALLED_DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

bench: $(INSTALLED_DEV)
	$(BIN)/python -m tests.benchmarks.terminal --write BENCHMARKS.md
	$(BIN)/python -m tests.benchmarks.decode_under_tui --write BENCHMARKS.md
	$(BIN)/python -m tests.benchmarks.engines $(if $(wildcard $(TOOLS)),--tools $(TOOLS)) --write BENCHMARKS.md

bench-tools: $(INSTALLED_DEV)
	$(BIN)/python -m tests.benchmarks.llama_cpp_tools --into $(TOOLS)

snapshots: $(INSTALLED_DEV)
	$(BIN)/pytest tests/tui --snapshot-update
	$(BIN)/python -m tests.snapshots.readme_picture

# Both builds bring the same library file, so the one that stays is installed last.
cuda: $(INSTALLED)
	$(PIP) install --constraint constraints.txt --editable '.[cuda]'
	$(PIP) uninstall --yes mlx-cpu
	$(PIP) install --force-reinstall --no-deps mlx-cuda-12==$$($(BIN)/python -c 'from importlib.metadata import version; print(version("mlx"))')

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache

# llama-cpp-python compiles from source; without a compiler the app still runs, on MLX.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "llm-tui needs Python 3.11 or newer; set PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing llm-tui into $(VENV) (once)…"
	$(PIP) install --constraint constraints.txt --editable .
	@echo "Compiling llama.cpp (about 4 minutes)…"
	@$(PIP) install --constraint constraints.txt --editable '.[llama-cpp]' \
	  || echo "llama.cpp could not be compiled: the MLX engine works without it. Run '$(BIN)/llm-tui doctor' for the command that mends it." >&2
	@touch $@

$(INSTALLED_DEV): $(INSTALLED)
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@
