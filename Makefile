# The commands of this project. `make run` and `make test` need Python 3.11 or newer and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PUBLISHED := .venv-published-client
RECEIVERS := server/tests/docs/receivers
PIP_FLAGS := --quiet --disable-pip-version-check --require-hashes

.PHONY: run test faults check bench install lock clean

run: install  ## PostgreSQL, the API and background work on http://localhost:8000
	@REEVIT_ALLOW_PRIVATE_WEBHOOKS=1 $(BIN)/reevit serve --demo

install: $(VENV)/.installed  ## .venv/bin/reevit

test: $(VENV)/.installed-dev $(PUBLISHED)/.installed $(RECEIVERS)/node_modules/.installed  ## everything, servers included
	@cd server && ../$(BIN)/python -m pytest -n auto --dist loadfile

faults: $(VENV)/.installed-dev  ## what it must survive, at length (minutes)
	@cd server && REEVIT_FAULTS=long ../$(BIN)/python -m pytest tests/faults

check: $(VENV)/.installed-dev  ## format, lint, types, import contracts
	@cd server && ../$(BIN)/ruff format --check . ../benchmarks && ../$(BIN)/ruff check . ../benchmarks
	@cd server && ../$(BIN)/mypy
	@cd server && ../$(BIN)/lint-imports --no-cache

bench: $(VENV)/.installed-dev  ## ratios to a floor, kept in benchmarks/results/ (minutes)
	@$(BIN)/python benchmarks/run.py

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.python server/requirements.lock server/pyproject.toml
	@echo "Installing into $(VENV) (first time: about a minute) ..."
	@$(BIN)/pip install $(PIP_FLAGS) -r server/requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e server
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed server/requirements-dev.lock
	@$(BIN)/pip install $(PIP_FLAGS) -r server/requirements-dev.lock
	@touch $@

# The client that merchants have today, in a venv of its own: its import name is ours too.
$(PUBLISHED)/.installed: server/tests/published_client/requirements.lock
	@$(PYTHON) -m venv $(PUBLISHED)
	@$(PUBLISHED)/bin/pip install $(PIP_FLAGS) -r $<
	@touch $@

# What the documentation's receiver in JavaScript is tested with.
$(RECEIVERS)/node_modules/.installed: $(RECEIVERS)/package-lock.json
	@if command -v npm > /dev/null; then cd $(RECEIVERS) && npm ci --loglevel=error && touch node_modules/.installed; \
	  else echo "There is no npm here: the receiver in JavaScript of docs/webhooks.md is not tested."; fi

lock:  ## resolve the newest versions (needs uv)
	@cd server && for out in requirements.lock requirements-dev.lock; do \
	  group=$$(test $$out = requirements-dev.lock && echo "--group pyproject.toml:dev"); \
	  printf "hatchling>=1.27\neditables>=0.5\n" | uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-annotate --no-header $$group pyproject.toml - --output-file $$out; done

clean:
	@rm -rf $(VENV) $(PUBLISHED) $(RECEIVERS)/node_modules
