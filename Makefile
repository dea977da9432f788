# Plumbline. `make` alone lists what there is to do. A fresh machine needs Python 3.11 or newer, make, and PyPI.

UV_VERSION := 0.13.9
VENV       := .venv/bin
UV         := .tools/bin/uv
SPEED      ?= 86400
LATER      ?= 60
WORKERS    ?= 4
TEMPORAL   := 1.31.0

# A Python that works and has wheels for everything; PYTHON=/path/to/python overrides.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && { echo $$p; break; }; done)

export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run up stop status test test-browser lint format types check bench chaos drill security audit sbom kafka keycloak temporal promtool helm vendor schemas clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Compiled here, because the sandbox loads workflow code anew for every run, and processes start by the dozen.
setup: .venv/.synced ## install everything into .venv, exactly as locked
	@$(VENV)/python -m compileall -q deploy services tests workflows

# Afterwards the clock runs at a minute a second: what waits for somebody still waits when they sign in.
run: setup ## start the whole stack at a day a second, play the demonstration, leave it running in a lived-in state
	$(VENV)/plumbline up --detach --clock-speed $(SPEED)
	$(VENV)/plumbline demo --leave-some
	@$(VENV)/plumbline down >/dev/null
	@$(VENV)/plumbline up --detach --clock-speed $(LATER) >/dev/null
	$(VENV)/plumbline demo --scenario today
	@$(VENV)/plumbline addresses

up: setup ## start the whole stack in real time, in the foreground
	$(VENV)/plumbline up

stop: setup ## stop the stack; its data stays
	$(VENV)/plumbline down

status: setup ## show each part of the stack
	@$(VENV)/plumbline status

test: setup ## run all tests but the long journeys through pages
	$(VENV)/pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder -m "not journey and not deep"

lint: setup ## check style and the rules of the house
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .

format: setup ## put the code into its form
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .

types: setup ## check types, strictly
	$(VENV)/mypy

check: lint types test ## all that must hold before a change lands

bench: setup ## measure throughput and latency, and the yardsticks beside them
	$(VENV)/python -m tests.load.bench

SEED    ?= 1
MINUTES ?= 4
chaos: setup ## use a stack and break it meanwhile, then look for everything that was accepted
	$(VENV)/python -m tests.chaos --seed $(SEED) --minutes $(MINUTES)

test-browser: setup ## run the tests in a real browser, with the long journeys and a table of all pages (needs Debian's chromium)
	$(VENV)/pytest tests/e2e/browser/test_pages.py
	$(VENV)/pytest -n $(WORKERS) --dist loadgroup tests/e2e/browser --ignore tests/e2e/browser/test_pages.py
	$(VENV)/pytest tests/e2e/test_scenarios.py -m journey
	@cat build/pages.md

security: setup ## ask every endpoint as everybody and with what nobody should send, look for planted personal data and for secrets, check licences
	$(VENV)/pytest -n $(WORKERS) --dist loadgroup tests/security tests/integration/test_limits.py \
		tests/integration/test_tenancy.py tests/integration/test_restricted.py tests/e2e/test_secrets.py tests/e2e/test_chain.py
	@$(VENV)/python -m tests.security.dependencies licences

audit: setup ## ask for known vulnerabilities of what is locked (needs api.osv.dev)
	@$(UV) audit --preview-features audit-command --locked || { echo 'Nothing was shown to be free of known vulnerabilities.' >&2; exit 1; }

sbom: setup ## write the bill of materials to dist/plumbline.cdx.json
	@mkdir -p dist
	@$(UV) export --quiet --locked --all-extras --no-dev --format cyclonedx1.5 | $(VENV)/python -m tests.security.dependencies sbom > dist/plumbline.cdx.json
	@echo dist/plumbline.cdx.json

kafka: setup ## run relay and consumer on Apache Kafka itself (needs Java 17 and Maven)
	$(VENV)/pytest tests/broker/apache

keycloak: setup ## sign in with Keycloak itself, on the realm of Compose (needs Java 17 and Maven)
	$(VENV)/pytest tests/deployment/keycloak

drill: setup ## lose a whole stack and bring it back from its backup, in a scratch folder
	$(VENV)/plumbline backup drill

vendor: setup ## fetch the browser libraries of the console again (needs npm)
	$(VENV)/python -m services.console.vendor

promtool: ## test the alarm rules (needs Debian's prometheus)
	promtool check config deploy/observability/prometheus.yml
	promtool test rules tests/deployment/rules.yml tests/deployment/rules_of_cases.yml

temporal: setup ## build Temporal's server as Compose runs it and run its tests on PostgreSQL (needs Go)
	GOBIN=$(CURDIR)/.tools/bin/built go install go.temporal.io/server/cmd/server@v$(TEMPORAL) go.temporal.io/server/cmd/tools/sql@v$(TEMPORAL)
	@mv .tools/bin/built/server .tools/bin/temporal-server
	@mv .tools/bin/built/sql .tools/bin/temporal-sql-tool
	$(VENV)/pytest tests/deployment/temporal

helm: ## install helm for the tests of the chart (needs Go)
	GOBIN=$(CURDIR)/.tools/bin go install helm.sh/helm/v3/cmd/helm@v3.22.0

schemas: setup ## write the schemas of all events again from their models
	$(VENV)/python -m services.contracts.generate

clean: ## stop the stack and remove its data, and all caches
	@if [ -x $(VENV)/plumbline ]; then $(VENV)/plumbline down; fi
	rm -rf .plumbline .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find deploy services tests workflows -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## also remove what `make setup` installed
	rm -rf .venv .tools

# Made again only when the project or its lock has changed.
.venv/.synced: pyproject.toml uv.lock .tools/.uv-$(UV_VERSION)
	$(UV) sync --quiet --locked --all-extras --compile-bytecode --python '$(PYTHON)'
	@touch $@

.tools/.uv-$(UV_VERSION):
	@test -n '$(PYTHON)' || { echo 'Python 3.11 to 3.14 is needed: install one, or name it with PYTHON=' >&2; exit 1; }
	@rm -rf .tools
	@$(PYTHON) -m venv .tools || { echo 'Python lacks venv: on Debian, install python3-venv' >&2; exit 1; }
	.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@
