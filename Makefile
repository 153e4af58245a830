# Works from a fresh clone with nothing but make and a fitting Python.
#   make fly    the whole story in the simulated room, two to five minutes
#   make test   the test suite
#   make check  format, lint, types, import contracts

# The simulator needs Python 3.11 (the only one with a pybullet wheel); set PYTHON to choose another.
PYTHON ?= $(shell for p in python3.11 python3 python "$$HOME"/.pyenv/versions/3.11*/bin/python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo "$$p" && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
FLY_ARGS ?=

.PHONY: fly test check format install clean

fly: $(VENV)/.installed
	$(BIN)/drone fly --config launch/room.toml $(FLY_ARGS)

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --durations=25 -m "not slow and not device"

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "The simulator needs Python 3.11, and none was found." >&2; \
	  echo "Install it (Debian 12: apt install python3.11 python3.11-venv; anywhere: pyenv install 3.11," >&2; \
	  echo "or uv python install 3.11), or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[sim,train,tune,web,view,logs,bags,autopilot,deploy,dev]"
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
