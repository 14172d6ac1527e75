# `make demo` and `make test` are all the set-up there is: both make and refresh .venv by themselves.
PYTHON ?= python3
BIN := .venv/bin
export TESTCONTAINERS_RYUK_DISABLED := true

.DEFAULT_GOAL := help
.PHONY: help setup demo check format test simulate planted mutants chaos evidence docs bench lock sbom same-image clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.ready ## Make .venv with the doka command in it

# The stamp holds the hash of what was installed, so that a changed lock or a moved checkout refreshes it.
.venv/.ready: requirements/dev.txt pyproject.toml scripts/setup
	@PYTHON=$(PYTHON) bash scripts/setup

demo: .venv/.ready ## See the whole path at work: Kafka to Kinesis while tokens die every 5 seconds
	@$(BIN)/doka demo

check: .venv/.ready ## Format, lint, strict types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.ready ## Format and sort what `make check` looks at
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# More than cores, since most wait for a process, a broker or a time-out: tests/order.py says who takes which test next.
WORKERS ?= 8
# Without files of bytecode each of the hundreds of processes that tests start compiles all of doka: 0.60 s for 0.43 s.
# A fresh clone has none of the tests either, and all workers would make all of them at once: two make them first, half each.
test: .venv/.ready ## Every test; container tests skip, with the reason, where no engine answers
	@echo 'make test: $(WORKERS) workers collect the tests first, a quarter of a minute without a sign; then a dot for each test'
	@ls tests/__pycache__/conftest.*-pytest-* >/dev/null 2>&1 || { for half in tests/unit 'tests/[acis]*/'; do \
	  env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest --collect-only -q -p no:cacheprovider $$half >/dev/null & done; wait; }
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n $(WORKERS) --dist loadgroup

SECONDS ?= 60
MODE ?= swarm
# MODE=replay|minimise SEED=n, MODE=exhaustive, MODE=planted; ARGS="--help" shows what else a mode takes.
simulate: .venv/.ready ## Seeds of the simulated world for SECONDS=60; MODE=replay SEED=n, MODE=minimise SEED=n, MODE=exhaustive
	@$(BIN)/python -m tests.simulation $(MODE) $(if $(filter swarm,$(MODE)),--seconds $(SECONDS) --workers 2) $(SEED) $(ARGS)

ROUNDS ?= 200
chaos: .venv/.ready ## Kill the real service ROUNDS=200 times beside a real broker and judge what is left; SEED=n repeats a draw
	@$(BIN)/python -m tests.chaos --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

planted: .venv/.ready ## Plant more than fifty bugs, one at a time: the simulator must find each; writes docs/planted.md
	@$(BIN)/python -m tests.simulation planted --page docs/planted.md $(ARGS)

COUNT ?= 60
mutants: .venv/.ready ## Break the domain in COUNT=60 places drawn by SEED, one at a time: who notices? SECONDS of simulator each, counted in seeds
	@$(BIN)/python -m scripts.mutants --count $(COUNT) --simulator-seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(ARGS)

evidence: .venv/.ready ## Run simulator (SECONDS), planted bugs and kills (ROUNDS), count tests; writes docs/evidence.md
	@$(BIN)/python -m scripts.evidence --seconds $(SECONDS) --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED)) $(foreach part,$(ONLY),--only $(part))

docs: .venv/.ready ## Write the pages of docs/ that come from the code
	@bash scripts/docs

# CASE=name,... runs these, QUICK=1 a short round, COMPARE=file|commit.json shows ratios to the figures of an earlier run.
bench: .venv/.ready ## Measure: records/s, CPU a record, memory, latency, beside the floor and boto3; QUICK=1 CASE=name COMPARE=file
	@PYTHONPATH=$(CURDIR) $(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(CASE),--case $(CASE)) $(if $(COMPARE),--compare $(COMPARE))

lock: .venv/.ready ## Renew the hash-pinned lock files in requirements/
	bash scripts/lock

# The wheel's alone without IMAGE; the image must have been built.
sbom: .venv/.ready ## Write the bills of materials of the wheel, and of IMAGE=doka, into dist/
	@$(BIN)/python -m scripts.sbom $(if $(IMAGE),--image $(IMAGE))

# Leaves doka:first and doka:second behind; ARGS="--build-arg BASE=..." goes to both builds.
same-image: .venv/.ready ## Build the image twice without a cache, and compare every file of the two
	@$(BIN)/python -m scripts.same_image $(ARGS)

clean: ## Remove .venv and every cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
