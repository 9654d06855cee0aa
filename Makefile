# `make demo`, `make claims` and `make test` each take a fresh clone to their end.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo claims test check bench clean

demo: $(VENV)/.installed
	$(VENV)/bin/pseudolabel demo --out demo

claims: $(VENV)/.installed
	$(PIP) -e '.[train]'
	$(VENV)/bin/pseudolabel claims --out claims

test: $(VENV)/.installed-dev
	scripts/check
	scripts/test

check: $(VENV)/.installed-dev
	scripts/check

bench: $(VENV)/.installed-dev
	$(VENV)/bin/python -m benchmarks $(BENCH)

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) -e '.[dev,scenes]'
	touch $@

clean:
	rm -rf $(VENV) demo build *.egg-info
