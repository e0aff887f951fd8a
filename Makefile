# Everything runs in a local environment, .venv, made on first use from pinned versions (constraints.txt).
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: run test check bench docs notebooks sample-report clean
.DEFAULT_GOAL := help

help:
	@echo "make run        the main job on data/sample; leaves the report in reports/"
	@echo "make test       all tests"
	@echo "make check      ruff, mypy, import contracts"
	@echo "make bench      known-truth benchmark (minutes)"
	@echo "make docs       docs/tables.md from the schemas"
	@echo "make notebooks  execute the notebooks, outputs in place"
	@echo "make sample-report  reports/sample_report.html, the one report that git keeps"

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group test
	touch $(STAMP)

run: $(STAMP)
	$(BIN)/backorder-forecast run data/sample --out reports

test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses auto

check: $(STAMP)
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python -m benchmarks.known_truth

docs: $(STAMP)
	$(BIN)/python docs/make_tables.py

notebooks: $(STAMP)
	$(BIN)/jupyter nbconvert --log-level=WARN --to notebook --execute --inplace \
		--ExecutePreprocessor.record_timing=False notebooks/*.ipynb

# the one report that git keeps: data/sample with few rows and charts
sample-report: $(STAMP)
	$(BIN)/backorder-forecast run data/sample --config reports/sample_report.toml --out build/sample_report --quiet
	cp build/sample_report/2026-06-30/report.html reports/sample_report.html

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache
