# Needs make, Python 3.10 or newer and a C compiler; everything else is fetched into .venv once.
# A second run costs what changed: .venv/.ready and build/inplace/*.done are the stamps.

PYTHON ?= python3
VENV   ?= .venv
N      ?= 200
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
MODE   := $(if $(filter-out 0,$(VMTOOL_DEBUG)),debug,release)

PY      := $(VENV)/bin/python
READY   := $(VENV)/.ready
BUILT   := build/inplace/$(MODE).done
SOURCES := setup.py scripts/dependencies.py scripts/direct_calls.py $(shell find vmtool -name '*.pyx' -o -name '*.pxd')
PYC     := build/inplace/pyc.done
MAN     := build/inplace/man.done
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PATH := $(abspath $(VENV))/bin:$(PATH)

.PHONY: build demo stories site pictures-update test check qemu differential transcripts transcripts-update capture tools annotate bench lint clean distclean help
.DELETE_ON_ERROR:

build: $(BUILT) $(PYC) $(MAN)  ## compile what changed; .venv/bin/vmtool is ready then

demo: build  ## a real program's address space, a page fault, a copy-on-write, a page walk
	@sh scripts/demo.sh

stories: build  ## pages of fixtures/stories to step through in a browser, in build/stories
	@mkdir -p build/stories
	@for story in fixtures/stories/*.vmt; do name=$$(basename $$story .vmt); \
	    $(VENV)/bin/vmtool -s build/stories/none.vmt report $$story -o build/stories/$$name.html 2>/dev/null || exit 1; echo build/stories/$$name.html; done

site: build  ## the documentation as a site, in build/site; needs MkDocs, but not the network
	@$(PY) -c 'import mkdocs' 2>/dev/null || { echo "vmtool: make site needs MkDocs: $(PY) -m pip install 'mkdocs>=1.6'" >&2; exit 1; }
	@$(PY) -m mkdocs build -q && echo build/site/index.html

pictures-update: build  ## rewrite the golden pictures of the stories; look at them before you commit
	@$(PY) -m tests.face.update
	@git --no-pager diff --stat -- fixtures/pictures

test: lint  ## all tests that fit in ten minutes
	@echo "vmtool: running the tests that fit in ten minutes, on $(JOBS) cores at once"
	@$(PY) -m pytest -q -n $(JOBS) --dist loadgroup

check:  ## everything: both builds, no quick roads, the long tests, long differential runs
	@$(MAKE) --no-print-directory VMTOOL_DEBUG=1 build
	@VMTOOL_DEBUG=1 $(PY) -m pytest -q -n $(JOBS) --dist loadgroup
	@$(MAKE) --no-print-directory build
	@VMTOOL_QUICK=0 $(PY) -m pytest -q -n $(JOBS) --dist loadgroup
	@VMTOOL_DRAW=fresh $(PY) -m pytest -q -n $(JOBS) --dist loadgroup -m "slow or not slow"
	@$(MAKE) --no-print-directory differential N=1000

qemu: build  ## QEMU's MMU and walks by the manuals against translate, on thousands of addresses of each format
	@VMTOOL_QEMU_N=$(or $(QEMU_N),20000) $(PY) -m pytest -q tests/outside/test_core_physical.py

differential: build  ## N freshly drawn scripts on this kernel and on vmtool (make differential N=1000)
	@$(PY) -m tests.differential -n $(N)

transcripts: build  ## run the golden transcripts alone
	@$(PY) -m pytest -q tests/transcripts

transcripts-update: build  ## rewrite their outputs; read the diff before you commit it
	@$(PY) -m tests.transcripts.update
	@git --no-pager diff --stat -- fixtures/transcripts README.md

capture: build  ## take the fixtures from this kernel again (some need root)
	@for script in $$(find fixtures -name CAPTURE.sh); do echo "$$script"; (cd $$(dirname $$script) && ./CAPTURE.sh) || exit 1; done
	@PYTHONPATH=tests $(PY) -m tools.record

TOOLS = procps htop smem sysstat busybox lsof psmisc nodejs python3-psutil golang-go golang-github-prometheus-procfs-dev util-linux
tools: build  ## as root: install what Debian has of the programs that read /proc, and run them all over the simulated one
	@apt-get install -y -qq --no-install-recommends $(TOOLS) >/dev/null
	@$(PY) -m pip install -q "mfusepy>=3.1" "psutil>=5.9,<7"
	@VMTOOL_REQUIRE_HOST=1 $(PY) -m pytest -q tests/outside/test_judges.py tests/outside/test_fuse.py tests/outside/test_enter.py tests/outside/test_psutil_own.py tests/tools

annotate: $(READY)  ## build/cython/*/vmtool/**.html: the lines that touch Python
	@VMTOOL_ANNOTATE=1 $(PY) setup.py -q build_ext --inplace
	@find build/cython/$(MODE) -name '*.html'

bench: build  ## ratios against the plain C model and the live kernel
	@$(PY) -m bench

lint: build  ## ruff
	@echo "vmtool: reading the code for mistakes (ruff)"
	@$(PY) -m ruff check -q .

clean:  ## what was built; .venv stays
	@rm -rf build dist *.egg-info .pytest_cache .hypothesis .ruff_cache .mypy_cache
	@find vmtool -name '*.so' -delete
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean  ## and .venv
	@rm -rf $(VENV)

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

$(READY): requirements-dev.txt bin/vmtool scripts/preflight.sh scripts/venv.sh
	@PYTHON='$(PYTHON)' sh scripts/preflight.sh
	@PYTHON='$(PYTHON)' sh scripts/venv.sh '$(VENV)'
	@touch $@

# The module of the other mode is no longer in the tree, so its stamp goes.
$(BUILT): $(READY) $(SOURCES)
	@sh scripts/build.sh '$(PY)' '$(JOBS)'
	@rm -f build/inplace/release.done build/inplace/debug.done
	@touch $@

# Byte code, also where PYTHONDONTWRITEBYTECODE is set: without it a command takes twice as long to start.
$(PYC): $(READY) $(shell find vmtool -name '*.py')
	@mkdir -p $(@D)
	@$(PY) -m compileall -q vmtool
	@touch $@

# Where man looks when .venv/bin is on PATH.
$(MAN): $(READY) vmtool/__init__.py $(wildcard vmtool/cli/*.py vmtool/cli/tables/*.py)
	@mkdir -p $(@D)
	@$(PY) -m vmtool.cli.manual $(VENV)/share/man/man1
	@touch $@
