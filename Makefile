# The commands of this project. `make run` and `make test` need Python 3.11 or newer and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PUBLISHED := .venv-published-client
RECEIVERS := server/tests/docs/receivers
SDK := .venv-sdk
NODE_SDK := sdk/node
PIP_FLAGS := --quiet --disable-pip-version-check --require-hashes
# Many tests wait for a process to start or to end: half as many again as there are cores keep them all busy.
AT_ONCE = $(shell $(BIN)/python -c 'import os; print(max(2, os.cpu_count() * 3 // 2))')
WITH_NPM := with_npm() { if command -v npm > /dev/null; then sh -c "$$2"; else echo "There is no npm here. $$1."; fi; }; with_npm

.PHONY: run test faults check bench install lock clean

run: install  ## PostgreSQL, the API and background work on http://localhost:8000
	@REEVIT_ALLOW_PRIVATE_WEBHOOKS=1 $(BIN)/reevit serve --demo

install: $(VENV)/.installed  ## .venv/bin/reevit

test: $(VENV)/.installed-dev $(PUBLISHED)/.installed $(RECEIVERS)/node_modules/.installed $(SDK)/.installed $(NODE_SDK)/.packed  ## everything, servers included
	@cd sdk/python && ../../$(BIN)/python -m pytest -n auto
	@cd server && ../$(BIN)/python -m pytest -n $(AT_ONCE) --dist loadfile
	@$(WITH_NPM) "The Node SDK is not tested" "cd $(NODE_SDK) && npm test --silent"

faults: $(VENV)/.installed-dev  ## what it must survive, at length (minutes)
	@cd server && REEVIT_FAULTS=long ../$(BIN)/python -m pytest tests/faults tests/scenarios/test_a_year_of_a_thousand.py

check: $(VENV)/.installed-dev $(NODE_SDK)/node_modules/.installed  ## format, lint, types, import contracts
	@$(BIN)/ruff format --check server benchmarks sdk/python && $(BIN)/ruff check server benchmarks sdk/python
	@cd server && ../$(BIN)/mypy
	@cd sdk/python && ../../$(BIN)/mypy
	@cd server && ../$(BIN)/lint-imports --no-cache
	@$(WITH_NPM) "The Node SDK is not checked" "cd $(NODE_SDK) && npm run check --silent"

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

$(VENV)/.installed-dev: $(VENV)/.installed server/requirements-dev.lock sdk/python/pyproject.toml
	@$(BIN)/pip install $(PIP_FLAGS) -r server/requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e sdk/python
	@touch $@

# The client that merchants have today, in a venv of its own: its import name is ours too.
$(PUBLISHED)/.installed: server/tests/published_client/requirements.lock
	@$(PYTHON) -m venv $(PUBLISHED)
	@$(PUBLISHED)/bin/pip install $(PIP_FLAGS) -r $<
	@touch $@

# The Python SDK as its users have it: the wheel, alone.
$(SDK)/.installed: $(VENV)/.installed-dev sdk/python/requirements.lock $(shell find sdk/python/reevit -name '*.py')
	@rm -rf $(SDK) && $(PYTHON) -m venv $(SDK)
	@cd sdk/python && ../../$(BIN)/hatchling build --target wheel --directory ../../$(SDK)/wheel 2> /dev/null
	@$(SDK)/bin/pip install $(PIP_FLAGS) -r sdk/python/requirements.lock
	@$(SDK)/bin/pip install --quiet --disable-pip-version-check --no-deps $(SDK)/wheel/*.whl
	@touch $@

# The Node SDK as its users have it: the packed module.
$(NODE_SDK)/.packed: $(NODE_SDK)/node_modules/.installed $(NODE_SDK)/package.json $(shell find $(NODE_SDK)/src -name '*.ts' 2> /dev/null)
	@$(WITH_NPM) "The Node SDK is not built" "cd $(NODE_SDK) && npm run build --silent && npm pack --silent && touch .packed"

# What needs npm. Where there is none it is left out, and said.
$(RECEIVERS)/node_modules/.installed: $(RECEIVERS)/package-lock.json
	@$(WITH_NPM) "The receiver in JavaScript of docs/webhooks.md is not tested" "cd $(RECEIVERS) && npm ci --loglevel=error && touch node_modules/.installed"

$(NODE_SDK)/node_modules/.installed: $(NODE_SDK)/package-lock.json
	@$(WITH_NPM) "The Node SDK is left out" "cd $(NODE_SDK) && npm ci --loglevel=error && touch node_modules/.installed"

lock:  ## resolve the newest versions (needs uv)
	@cd server && for out in requirements.lock requirements-dev.lock; do \
	  group=$$(test $$out = requirements-dev.lock && echo "--group pyproject.toml:dev"); \
	  printf "hatchling>=1.27\neditables>=0.5\n" | uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-annotate --no-header $$group pyproject.toml - --output-file $$out; done
	@cd sdk/python && uv pip compile --quiet --upgrade --universal --python-version 3.10 --generate-hashes \
	  --no-annotate --no-header pyproject.toml --output-file requirements.lock
	@cd $(NODE_SDK) && npm update --silent --package-lock-only

clean:
	@rm -rf $(VENV) $(PUBLISHED) $(SDK) $(RECEIVERS)/node_modules $(NODE_SDK)/node_modules $(NODE_SDK)/dist $(NODE_SDK)/.packed
