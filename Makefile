# make setup   .venv with everything in it
# make demo    train -> export -> lmp -> report, on the shipped BaTiO3 experiment
# make test    linters aside, every test that is not slow
# make reproduce          twin experiment and BaTiO3 against the experiment, about eleven hours
# make reproduce-quick    prior and corrected model heated, against the world that it was trained on
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export OMP_NUM_THREADS ?= 1
# A plugin compiled by another user's cache is of no use here.
export CCACHE_DISABLE := 1

# Where development data may lie (not part of the project).
SHARED := ../shared
MLIAP := $(SHARED)/lammps-mliap
MEASURED_PDF := $(SHARED)/data/pdf/BaTiO3_xray_q26_pdfrecipebuilder.gr

.PHONY: setup demo demo-measured reproduce reproduce-quick test test-slow test-mliap lint benchmarks docs clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml setup.py constraints.txt CMakeLists.txt $(wildcard plugin/* plugin/kernels/*)
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	touch $@

demo: setup
	bash benchmarks/demo.sh

demo-measured: setup
	bash benchmarks/demo_measured.sh '$(MEASURED_PDF)'

# The twin experiment (inputs/twin): a prior corrected by the PDFs of a world whose answer is known;
# then BaTiO3 against the experiment.
reproduce: setup
	bash inputs/twin/run.sh
	bash inputs/bto_experiment.sh

reproduce-quick: setup
	bash inputs/twin/run.sh --quick

test: setup
	$(BIN)/python -m pytest -m 'not slow' -q

test-slow: setup
	$(BIN)/python -m pytest -m slow -q

# The same tests of the exported model in LAMMPS builds that have ML-IAP themselves.
test-mliap: setup
	bash tests/lammps/real_mliap.sh '$(MLIAP)'

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

benchmarks: setup
	for b in $$(grep -l '"--quick"' benchmarks/*.py); do $(BIN)/python $$b --quick || exit 1; done

# The documentation as a site, build/docs/index.html; in an environment of its own, without torch.
DOCS := .venv-docs/bin

docs: .venv-docs/.ready
	PYTHONPATH=python $(DOCS)/python -m mkdocs build --strict --quiet
	@echo "wrote build/docs/index.html"

.venv-docs/.ready: pyproject.toml
	test -x $(DOCS)/python || python3 -m venv .venv-docs
	$(DOCS)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['docs'], sep='\n')" > .venv-docs/packages
	$(DOCS)/python -m pip install -q -r .venv-docs/packages
	touch $@

clean:
	rm -rf build runs models .pytest_cache .ruff_cache log.lammps
