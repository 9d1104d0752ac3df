# The commands of this project. `make` alone lists them.
# Recipes that run for long are one plain command each: make then starts it without a shell
# between, and Ctrl-C reaches it cleanly.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
# One build of ONNX Runtime, never both: they overwrite each other's files.
FLAVOUR := $(if $(shell nvidia-smi -L 2>/dev/null),gpu,cpu)
OTHER_RUNTIME := $(if $(filter gpu,$(FLAVOUR)),onnxruntime,onnxruntime-gpu)
DEV := requirements/dev$(if $(filter gpu,$(FLAVOUR)),-gpu).txt
PACKAGE := pyproject.toml README.md
UV := uv
LOCK := $(UV) pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links --extra local

.DEFAULT_GOAL := help
.PHONY: help setup demo run test fuzz chaos check schema docs screenshot lock clean browser

help: ## List the commands
	@grep -hE '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) \
		| awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(VENV)/.run-$(FLAVOUR) ## Make .venv and install what is locked
	@:

demo: setup ## Show everything on sample photos; EXIT=1 stops after it
	@$(BIN)/facesearch demo $(if $(EXIT),--exit)

run: setup ## Start everything on this machine
	@$(BIN)/facesearch up

test: $(VENV)/.dev-$(FLAVOUR) browser ## Run all tests; ARGS="..." goes to pytest
	@$(BIN)/facesearch demo --fetch
	@$(BIN)/python -m pytest $(ARGS)

fuzz: $(VENV)/.dev-$(FLAVOUR) ## Damage pictures at random for MINUTES=10
	@FACESEARCH_TEST_FUZZ_MINUTES=$(or $(MINUTES),10) \
		$(BIN)/python -m pytest -q tests/fuzz -k never_tried

chaos: $(VENV)/.dev-$(FLAVOUR) ## Kill processes during imports; PHOTOS=10000 KILLS=20 SEED=1
	@FACESEARCH_TEST_CHAOS_PHOTOS=$(or $(PHOTOS),10000) \
		FACESEARCH_TEST_CHAOS_KILLS=$(or $(KILLS),20) FACESEARCH_TEST_CHAOS_SEED=$(or $(SEED),1) \
		$(BIN)/python -m pytest -q tests/faults/test_chaos.py

check: $(VENV)/.dev-$(FLAVOUR) ## Check format, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

schema: $(VENV)/.dev-$(FLAVOUR) ## Write migrations/schema.sql anew
	@$(BIN)/python -m migrations.dump

docs: $(VENV)/.dev-$(FLAVOUR) ## Write the tables of docs/ anew
	@$(BIN)/python tests/docs/test_settings_table.py

screenshot: $(VENV)/.dev-$(FLAVOUR) browser ## Take the README's picture anew
	@FACESEARCH_TEST_SCREENSHOT=docs/images/search.png \
		$(BIN)/python -m pytest -q tests/browser/test_screenshot.py

lock: ## Lock the dependencies anew (needs uv); UPGRADE=1 takes the newest
	$(LOCK) $(if $(UPGRADE),--upgrade) --extra cpu --group build -o requirements/cpu.txt
	$(LOCK) -c requirements/cpu.txt --extra gpu --group build -o requirements/gpu.txt
	$(LOCK) -c requirements/cpu.txt --extra cpu --group dev -o requirements/dev.txt
	$(LOCK) -c requirements/gpu.txt -c requirements/dev.txt --extra gpu --group dev \
		-o requirements/dev-gpu.txt

clean: ## Remove .venv, caches and builds; data and models stay
	rm -rf $(VENV) dist .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# An environment that exists and works is kept, whoever made it.
$(VENV)/.made:
	@if $(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		touch $@; exit; \
	fi; \
	chosen=; bare=; \
	for each in python3.14 python3.13 python3.12 python3.11 python3; do \
		$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		if $$each -c 'import venv, ensurepip' 2>/dev/null; then chosen=$$each; break; fi; \
		bare=$$each; \
	done; \
	if [ -n "$$chosen" ]; then $$chosen -m venv --clear $(VENV) && touch $@; \
	elif [ -n "$$bare" ]; then \
		echo "$$bare cannot make environments: run 'apt install python3-venv' first." >&2; exit 1; \
	else echo "facesearch needs Python 3.11 or newer, and there is none here." >&2; exit 1; fi

$(VENV)/.run-$(FLAVOUR): requirements/$(FLAVOUR).txt $(PACKAGE) $(VENV)/.made
	@echo "Installing the locked dependencies; the first time this takes a minute or two."
	@$(PIP) uninstall --yes $(OTHER_RUNTIME) 2>/dev/null
	@$(PIP) install --require-hashes -r $<
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev-$(FLAVOUR): $(DEV) $(PACKAGE) $(VENV)/.made
	@echo "Installing the locked development dependencies; the first time this takes minutes."
	@$(PIP) uninstall --yes $(OTHER_RUNTIME) 2>/dev/null
	@$(PIP) install --require-hashes -r $<
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.run-$(FLAVOUR) $@

# Debian's package for root, Playwright's own download for others. Without either the tests marked
# `browser` are skipped by name, and in CI they fail.
browser: $(VENV)/.dev-$(FLAVOUR)
	@if $(BIN)/python tests/browser/chromium.py; then exit; fi; \
	echo "Installing Chromium for the browser tests."; \
	export DEBIAN_FRONTEND=noninteractive; \
	if [ "$$(id -u)" = 0 ] && { apt-get update -qq \
		&& apt-get install --yes -qq --no-install-recommends chromium; } >/dev/null 2>&1; \
	then exit; fi; \
	$(BIN)/python -m playwright install chromium >/dev/null 2>&1 \
	|| echo "No Chromium can be had; the browser tests are skipped." >&2

.DEFAULT:
	@echo "There is no command '$@'; 'make' lists them." >&2; exit 2
