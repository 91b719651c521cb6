# make run PORT=8001, make test PYTHON=python3.11 DJANGO='django~=5.2', make test ARGS='-k settings -x'
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3 python; do \
	if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$name; break; fi; done)
DJANGO ?=
ARGS ?=
PORT ?= 8000
SITE_URL ?= http://127.0.0.1:$(PORT)
TEST_DATABASE_URL ?= postgres://postgres@127.0.0.1:5432/postgres

# One virtual environment for each interpreter and Django line, so that they need not be reinstalled in turn.
version := $(shell $(PYTHON) -c 'import sys; print("{}.{}".format(*sys.version_info))' 2>/dev/null)
ifeq ($(version),)
$(error No Python 3.11 or newer found. Install one, or name it: make PYTHON=/path/to/python3)
endif
venv := .venv-$(version)$(if $(DJANGO),-$(shell printf %s '$(DJANGO)' | tr -cs 'A-Za-z0-9.' -))
bin := $(CURDIR)/$(venv)/bin
python := $(bin)/python
manage := $(python) manage.py
pytest := $(python) -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder
secret := $(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(50))'
install := $(python) -m pip install --quiet --disable-pip-version-check $(if $(DJANGO),'$(DJANGO)')

.PHONY: help run test faults bench bench-peers docs site lint types contract migrations deploy security checks clean

help: ## List what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 18

run: export PORT := $(PORT)
run: export SITE_URL := $(SITE_URL)
run: $(venv)/site ## Set up the demo and run its web server and cluster; Ctrl-C stops both
	@umask 077; test -e .env || echo DEBUG=true > .env; \
	grep -Eq '^(export )?SECRET_KEY(_FILE)?=.' .env || \
	{ test -z "$$(tail -c 1 .env)" || echo; $(secret) | sed 's/^/SECRET_KEY=/'; } >> .env; chmod 600 .env
	@$(manage) migrate --verbosity 0
	@$(manage) collectstatic --no-input --verbosity 0
	@$(manage) seed_shop
	@$(manage) demo_admin
	@printf '\n  Start  %s/\n  Shop   %s/shop/\n  Lab    %s/lab/\n  Admin  %s/admin/\n  Ctrl-C stops.\n\n' '$(SITE_URL)' '$(SITE_URL)' '$(SITE_URL)' '$(SITE_URL)'
	@trap : INT; trap 'kill $$job' TERM; PATH="$(bin):$$PATH" honcho start & job=$$!; \
	while kill -0 $$job 2>/dev/null; do wait $$job && status=0 || status=$$?; done; test $$status -eq 0 -o $$status -gt 128

test: $(venv)/tests ## Run all tests: those of the database on PostgreSQL (not with TEST_DATABASE_URL=), then everything on SQLite
	@failed=0; if [ -z '$(TEST_DATABASE_URL)' ]; then :; elif $(python) -m tests.postgresql '$(TEST_DATABASE_URL)'; then \
		TEST_DATABASE_URL='$(TEST_DATABASE_URL)' $(pytest) -m database $(ARGS) || failed=1; \
	elif [ -n "$${CI:-}" ]; then failed=1; fi; \
	env -u TEST_DATABASE_URL $(pytest) $(ARGS) || failed=1; exit $$failed

faults: export FAULTS := full
faults: $(venv)/tests ## Inject every fault at full size and print a ledger; SOAK_MINUTES=20 of it a soak, on each database
	@failed=0; if $(python) -m tests.postgresql '$(TEST_DATABASE_URL)'; then \
		TEST_DATABASE_URL='$(TEST_DATABASE_URL)' $(python) -m pytest tests/faults -m database $(ARGS) || failed=1; fi; \
	env -u TEST_DATABASE_URL $(python) -m pytest tests/faults $(ARGS) || failed=1; exit $$failed

bench: $(venv)/tests ## Measure against django-q2 alone
	$(python) -m tests.bench $(ARGS)

bench-peers: .venv-peers/peers ## Measure beside huey, rq, celery, dramatiq, procrastinate and Django's own tasks
	.venv-peers/bin/python -m tests.bench.peers $(ARGS)

docs: $(venv)/tests ## Serve the documentation, and follow changes; Ctrl-C stops it
	@$(python) -m tests.docs.site serve --address '127.0.0.1:$(PORT)'

checks: lint types contract migrations deploy security site ## All checks but the tests

lint: $(venv)/tests ## Lint, and check the format
	$(bin)/ruff check .
	$(bin)/ruff format --check .

types: $(venv)/tests ## Check the types
	$(bin)/mypy

contract: $(venv)/tests ## Check who imports whom
	$(bin)/lint-imports

migrations: $(venv)/site ## Check that no migration is missing
	SECRET_KEY=unused $(manage) makemigrations --check --dry-run

deploy: export ENV_FILE := /dev/null
deploy: export DEBUG := false
deploy: export SECRET_KEY_FILE :=
deploy: export SECRET_KEY := $(shell $(secret))
deploy: export ALLOWED_HOSTS := shop.example.org
deploy: export EMAIL_URL := smtp+tls://mail.example.org
deploy: export HSTS_SECONDS := 31536000
deploy: export HSTS_INCLUDE_SUBDOMAINS := true
deploy: export HSTS_PRELOAD := true
deploy: $(venv)/site ## Check the settings of a production site
	$(manage) check --deploy --fail-level WARNING

security: $(venv)/tests ## Look for insecure code and for packages known to be vulnerable; AUDIT=required makes it sure of these
	$(bin)/bandit --quiet --recursive --configfile pyproject.toml signals_app receivers sigdemo manage.py
	$(python) -m tests.audit

site: $(venv)/tests ## Build the documentation into build/site; a broken link is an error
	$(python) -m tests.docs.site build

clean: ## Remove the virtual environments and what the tools have cached; var/ is yours and stays
	rm -rf .venv-* build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(venv)/site: requirements.txt | $(python)
	$(install) -r requirements.txt
	@touch $@

$(venv)/tests: requirements.txt tests/requirements.txt | $(python)
	$(install) -r tests/requirements.txt
	@touch $@

.venv-peers/peers: requirements.txt tests/requirements.txt tests/bench/peers/requirements.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r tests/bench/peers/requirements.txt
	@touch $@

$(python):
	$(PYTHON) -m venv $(venv)
