# Every target prints the plain commands that it runs; nobody needs make.
PYTHON ?= python3
VENV ?= .venv
BENCH_VENV ?= .venv-bench
PY = $(VENV)/bin/python
PIP = $(PY) -m pip install -q -c constraints.txt
STALE = rm -rf build/lib* build/temp* build/bdist*

.PHONY: help demo test test-simd bench doc lint clean

help:
	@echo "make demo   install, run the main job, write its plots to demo_output/"
	@echo "make test   install with the test extra, run the whole test suite"
	@echo "make bench  install the peers in an environment of their own, measure, write JSON"
	@echo "make doc    build the documentation and the gallery into doc/_build/html"
	@echo "make lint   ruff"

$(PY):
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q -U pip

demo: $(PY)
	$(STALE)
	$(PIP) -e ".[plot]"
	$(PY) examples/main_job.py

test: $(PY)
	$(STALE)
	$(PIP) -e ".[deep,plot,progress,test]"
	$(PY) -m pytest -q $(PYTEST_ARGS)

# The kernels compiled for one instruction set each must give the bits of the run-time choice.
test-simd: $(PY)
	$(PY) tests/simd_paths.py

bench:
	$(PYTHON) -m venv $(BENCH_VENV)
	$(STALE)
	$(BENCH_VENV)/bin/python -m pip install -q -c constraints.txt -e . -r benchmarks/requirements.txt
	$(BENCH_VENV)/bin/python benchmarks/runner.py $(BENCH)

doc: $(PY)
	$(STALE)
	$(PIP) -e ".[deep,plot,progress,doc]"
	$(PY) -m sphinx -W --keep-going -q -b html doc doc/_build/html

lint: $(PY)
	$(PIP) ruff
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

clean:
	rm -rf build dist *.egg-info doc/_build doc/auto_examples doc/api/generated demo_output
	find sklearn_extra_ml -name "*.so" -delete
