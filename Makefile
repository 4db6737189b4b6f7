# Everything below works from a fresh clone with Python 3.11+, git and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=
FILE   ?=

# Containers often set it. Then each of the hundreds of processes that the tests start, and each start
# of the server, would compile all modules anew, for over a second.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test quick coverage suite check browser-dependencies node-dependencies corpus lock clean

demo: $(VENV)/runtime.stamp ## probes, verdicts, page on the embedded default, against simulated upstreams
	$(BIN)/tallylight demo $(ARGS)

test: browser-dependencies node-dependencies ## everything that CI runs
	@# The static half fills what the tests leave of the cores while they wait.
	@$(MAKE) --no-print-directory --jobs=2 check suite

quick: $(VENV)/test.stamp ## unit and property tests: no browser, no PostgreSQL, under two minutes
	$(BIN)/python -m pytest -n 2 --dist loadfile -q -k "not postgres" \
	  --ignore tests/browser --ignore tests/chaos --ignore tests/client --ignore tests/e2e \
	  --ignore tests/failover --ignore tests/gateway/http tests

coverage: browser-dependencies node-dependencies ## branch coverage of src, subprocesses included
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 4 --dist loadfile --no-loadscope-reorder -q \
	  tests/chaos tests/e2e tests/failover tests
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

suite: $(VENV)/test.stamp ## the tests alone
	@# Those that mostly wait begin, so that those that compute fill the gaps.
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder -q \
	  tests/chaos tests/e2e tests/failover tests

check: $(VENV)/test.stamp ## the static half: formatting, lint, types, import contracts
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports

corpus: $(VENV)/test.stamp ## classify a labelled corpus and print the confusion table
	@$(BIN)/python tools/score_corpus.py $(FILE)

lock: $(VENV)/uv.stamp ## resolve the dependencies anew into requirements/
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra parquet --extra postgres --extra s3 --extra vertex -o requirements/runtime.txt pyproject.toml
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra parquet --extra postgres --extra s3 --extra vertex --group test -o requirements/test.txt pyproject.toml

browser-dependencies: $(VENV)/test.stamp
	@$(BIN)/python tools/ensure_chromium.py

node-dependencies: $(VENV)/test.stamp
	@$(BIN)/python tools/ensure_node_sdks.py

$(VENV)/uv.stamp:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tallylight needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check uv==0.13.9
	touch $@

$(VENV)/runtime.stamp: $(VENV)/uv.stamp requirements/runtime.txt pyproject.toml
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/runtime.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	touch $@

$(VENV)/test.stamp: $(VENV)/runtime.stamp requirements/test.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/test.txt
	touch $@

clean: ## remove what make has made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
