# Two commands for a fresh machine: `make demo` sets everything up and shows the main job; `make test` tests it.
VENV   ?= .venv
# The first of these that runs and is new enough: a name on the PATH may be a shim with nothing behind it.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
  $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN    := $(VENV)/bin
DEMO   := demo_output
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test test-all check format docs bench eval fuzz clean
.DEFAULT_GOAL := help

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | column -t -s'|'

# The environment. Downloading torch and its companions takes most of the first run.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "facecli needs Python 3.11 or later; name one with PYTHON=" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing (Debian: apt install python3-venv)" >&2; rm -rf $(VENV); exit 1; }

# opencv-python needs libGL and glib, which bare servers lack; the headless build is the same code without windows.
define install
	@echo "installing facecli$(1) into $(VENV)"
	@$(BIN)/python -m pip install --quiet --editable '.$(1)'
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { \
	  echo "opencv-python lacks system libraries here; taking its headless build"; \
	  $(BIN)/python -m pip uninstall --quiet --yes opencv-python && \
	  $(BIN)/python -m pip install --quiet opencv-python-headless; }
	@touch $@
endef

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(call install,)

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(call install,[dev])
	@touch $(VENV)/.installed

demo: $(VENV)/.installed ## Enrol the people of sample_images/known, identify the sample photos, draw the answer.
	@mkdir -p $(DEMO)
	$(BIN)/facecli --gallery $(DEMO)/gallery.db enroll sample_images/known
	$(BIN)/facecli --gallery $(DEMO)/gallery.db identify sample_images/group.jpg sample_images/stranger.jpg --annotate $(DEMO)
	@echo; echo "annotated pictures: $(DEMO)/sample_images/group.annotated.jpg and stranger.annotated.jpg"

test: $(VENV)/.installed-dev ## Run the tests that need nothing but this checkout.
	$(BIN)/python -m pytest -m "not slow and not gpu and not network"

test-all: $(VENV)/.installed-dev ## Run every test that this machine can run (see FACECLI_DATA in tests/conftest.py).
	$(BIN)/python -m pytest

check: $(VENV)/.installed-dev ## Lint, types, and which module may import which.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## Format the code.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.installed-dev ## Rewrite the command reference in README.md.
	$(BIN)/python -m facecli.cli.reference README.md

# The photos that it measures on do not ship: DATA=folder, or FACECLI_DATA. The bench makes its own where they are missing.
DATA ?= $(or $(FACECLI_DATA),../shared/data)
bench: $(VENV)/.installed-dev ## Time scan beside its peers and the machine's limits, then search (PEERS=environment, DATA=folder).
	$(BIN)/python tests/bench/bench_scan.py --cache $(VENV)/bench $(if $(PEERS),--peers $(PEERS)) \
	  $(if $(wildcard $(DATA)),--data $(DATA))
	$(BIN)/python tests/bench/bench_search.py
	$(BIN)/python tests/bench/bench_cuda.py

eval: $(VENV)/.installed-dev ## Measure every figure about errors again, and write it to models/ (DATA=folder with the photos).
	$(BIN)/python models/measure $(DATA) --cache $(VENV)/measured
	FACECLI_DATA=$(DATA) $(BIN)/python tests/bench/bench_quality.py --card models/sface/CARD.md
	FACECLI_DATA=$(DATA) $(BIN)/python tests/bench/bench_person_score.py
	FACECLI_DATA=$(DATA) $(BIN)/python tests/bench/bench_detect.py

fuzz: $(VENV)/.installed-dev ## Feed damaged bytes to everything that reads files of strangers (SECONDS= for each, 30).
	$(BIN)/python tests/fuzz --seconds $(or $(SECONDS),30)

clean: ## Remove the environment and what the demo made.
	rm -rf $(VENV) $(DEMO)
