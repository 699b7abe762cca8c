# Each target is one or two public commands.  `make help` lists them; `make book` and `make test` are the ones to start with.
#
#   PYTHON       the interpreter of the virtual environment (3.11 or newer)
#   LOCK         the pinned set to install; LOCK= takes the newest releases that pyproject.toml allows
#   CUDA         with an NVIDIA GPU: make CUDA=1 book.  PyTorch then comes from pip's default index, with several GB
#                of CUDA libraries.  Without it, Linux gets the CPU build (about 200 MB) from PyTorch's own index
#   LOWEST       for `make lowest`: options of uv, such as where PyTorch comes from
#   COLAB_TORCH  for `make colab`: the PyTorch beside which the wheel is installed
#   SOURCES      for `make reference`: where real data are, such as SOURCES="--source tinystories=stories.jsonl"
#   PRESET SEEDS REGIMES   for `make book`, which trains at smoke with one seed and two regimes

PYTHON ?= python3
VENV ?= .venv
LOCK ?= requirements.lock
TORCH ?= torch==2.13.0
CUDA ?=
LOWEST ?= --torch-backend cpu
COLAB_TORCH ?= torch==2.11.0
PRESET ?= smoke
SEEDS ?= 0
REGIMES ?= replace,accumulate
PORT ?= 8000
SOURCES ?=

PY = $(VENV)/bin/python
INSTALLED = $(VENV)/.installed$(if $(CUDA),-cuda)
COLLAPSE = $(PY) -m collapse_utils
BOOK = $(PY) -m book._tools
export PIP_DISABLE_PIP_VERSION_CHECK = 1

CPU_INDEX = $(if $(filter Linux,$(shell uname -s)),--index-url https://download.pytorch.org/whl/cpu)
# On Linux the CPU build comes from PyTorch's own index, unless pip finds a wheel without a network.
ifneq ($(CUDA),)
GET_TORCH = $(PY) -m pip install --quiet --force-reinstall '$(TORCH)'
else
GET_TORCH = $(PY) -m pip install --quiet --no-index --no-deps '$(TORCH)' 2>/dev/null \
  || $(PY) -m pip install --quiet '$(TORCH)' $(CPU_INDEX)
endif

.DEFAULT_GOAL := help
.PHONY: help install book site test suite package chains chapters outputs lint lowest colab smoke gpu cluster torture reference serve single release screenshots includes register strip repository clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## the virtual environment, with the package and everything the book needs

$(INSTALLED): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is %d.%d; try make PYTHON=python3.12" % sys.version_info[:2])'
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): 2 GB, a few minutes the first time"
	$(PY) -c 'import torch$(if $(CUDA),; assert torch.version.cuda)' 2>/dev/null || $(GET_TORCH)
	$(PY) -m pip install --quiet $(if $(LOCK),-r $(LOCK)) --editable '.[book,test,browser]'
	@touch $@

book: $(INSTALLED) ## train at smoke, run every notebook, build the book (5 to 15 minutes on two cores)
	@test '$(PRESET)' != smoke || echo "make book: 5 to 15 minutes on two cores, and seconds when nothing has changed"
	$(COLLAPSE) sweep all --preset $(PRESET) --seeds $(SEEDS) --regimes $(REGIMES) --out build/book/runs
	$(COLLAPSE) sweep language --set temperature=0.3 --preset $(PRESET) --seeds $(SEEDS) --regimes $(REGIMES) --out build/book/runs
	$(BOOK) run --preset $(PRESET) --seeds $(SEEDS) --regimes $(REGIMES) --runs build/book/runs
	@$(BOOK) build

site: $(INSTALLED) ## build the published book from the committed notebooks into _build/html; trains nothing
	@$(BOOK) build --name site --committed --output .

test: lint suite ## the linter and the whole suite (at most 25 minutes on two cores)

suite: $(INSTALLED) ## the tests, strict nbval, one seed of each section with every notebook: four parts, two at a time
	$(MAKE) -j2 package chains chapters outputs

# a core each, so that slow machines end in time
package chains chapters outputs: export OMP_NUM_THREADS = 1

BOOK_TESTS = tests/book tests/browser tests/project
package: $(INSTALLED) ## the tests of the package
	$(PY) -m pytest -m "not slow" $(BOOK_TESTS:%=--ignore=%)

chains: $(INSTALLED) ## one seed of each section against the published rows, every notebook with it
	rm -rf build/test
	$(COLLAPSE) sweep all --preset smoke --seeds 0 --regimes $(REGIMES) --jobs 1 --out build/test/runs
	$(COLLAPSE) sweep language --set temperature=0.3 --preset smoke --seeds 0 --regimes $(REGIMES) --jobs 1 --out build/test/runs
	$(COLLAPSE) compare build/test/runs
	$(BOOK) run --name test --preset smoke --seeds 0 --regimes $(REGIMES) --jobs 1

chapters: $(INSTALLED) ## the tests of the book
	$(PY) -m pytest -m "not slow" $(BOOK_TESTS) --ignore=tests/project/test_wheel.py

outputs: $(INSTALLED) ## the wheel in an empty folder: strict nbval of every notebook
	$(PY) -m pytest tests/project/test_wheel.py

lint: $(INSTALLED) ## ruff, and the one rule of imports
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/lint-imports --no-logo

lowest: ## the tests on the lowest versions that pyproject.toml allows, in .venv-lowest (Python 3.11)
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet uv
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest --resolution lowest-direct $(LOWEST) \
	  --editable '.[book,test,browser]'
	.venv-lowest/bin/python -m pytest -m "not slow"

COLAB = $(CURDIR)/.venv-colab/bin/python
colab: ## the wheel beside Colab's versions: every notebook, a chain of each section (Python 3.13 is Colab's)
	$(PYTHON) -m venv .venv-colab
	$(COLAB) -m pip install --quiet --no-index --no-deps '$(COLAB_TORCH)' 2>/dev/null \
	  || $(COLAB) -m pip install --quiet '$(COLAB_TORCH)' $(CPU_INDEX)
	rm -rf build/colab
	$(COLAB) -m pip wheel --quiet --no-deps --wheel-dir build/colab .
	$(COLAB) -m pip install --quiet --constraint constraints-colab.txt build/colab/*.whl \
	  accelerate scikit-learn ipykernel nbval
	cp notebooks/*.ipynb build/colab
	cd build/colab && $(COLAB) -m pytest -c /dev/null --rootdir . --nbval-lax --nbval-current-env .
	cd build/colab && $(COLAB) -m collapse_utils sweep all --preset smoke --seeds 0 --regimes replace --out runs

smoke: $(INSTALLED) ## three seeds at smoke; every chain is compared with the published rows
	$(COLLAPSE) sweep all --preset smoke --seeds 0-2 --regimes all --out build/smoke/runs
	$(COLLAPSE) sweep language --set temperature=0.3 --preset smoke --seeds 0-2 --regimes all --out build/smoke/runs
	$(COLLAPSE) compare build/smoke/runs
	$(BOOK) prepare --name smoke --preset smoke --seeds 0-2 --regimes all
	$(PY) -m pytest --nbval-lax --nbval-current-env build/smoke/committed

gpu: $(INSTALLED) ## the tests that need an NVIDIA GPU (install with make CUDA=1)
	$(PY) -m pytest -m gpu tests/gpu

cluster: $(INSTALLED) ## sweeps on a simulated Ray cluster of three nodes, two of them killed (installs Ray)
	$(PY) -m pip install --quiet --editable '.[cluster]'
	$(PY) -m pytest tests/sweeps/test_ray.py

torture: $(INSTALLED) ## kills, damages, bad input and forged runs, into benchmarks/results (about an hour)
	$(PY) benchmarks/torture.py --kills 100 --damages 2000 --inputs 400 --forged 80

reference: $(INSTALLED) ## repeat the published results (many core-hours; continues where it was stopped)
	$(COLLAPSE) grid
	$(COLLAPSE) sweep --plan results/reference.yml --out runs/reference $(SOURCES)
	$(COLLAPSE) collect runs/reference --into results
	$(COLLAPSE) sweep --plan results/mixing/plan.yml --out runs/mixing
	$(COLLAPSE) collect runs/mixing --into build/mixing
	cp build/mixing/images/smoke-orl/metrics.csv build/mixing/images/smoke-orl/provenance.json results/mixing/smoke-orl
	$(COLLAPSE) sweep --plan results/scale/plan.yml --out runs/scale $(SOURCES)
	$(COLLAPSE) collect runs/scale --into build/scale
	mkdir -p results/scale/scale-tinystories
	cp build/scale/language/scale-tinystories/metrics.csv build/scale/language/scale-tinystories/provenance.json results/scale/scale-tinystories
	$(PY) benchmarks/forecast.py
	$(PY) -m collapse_utils.theory --out results
	$(PY) benchmarks/face_spectrum.py

serve: site ## the published book at http://localhost:8000
	$(PY) -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

single: site ## the published book as one HTML file, build/book.html, that opens without a network
	@$(BOOK) single --site _build/html --output build/book.html

release: single ## what a release attaches, into dist/: wheel, site, single file, checksums
	rm -rf dist
	$(PY) -m pip wheel --quiet --no-deps --wheel-dir dist .
	@$(BOOK) release

screenshots: site ## every page in light, dark, phone width and print, into build/screenshots (needs Chromium)
	$(PY) tests/browser/screenshots.py --site _build/html --out build/screenshots

includes: $(INSTALLED) ## the numbers on the front page, the claims page and in the README, from results/
	$(BOOK) includes

register: $(INSTALLED) ## which commit registered each claim, into book/registered.yml (after a change of claims.yml or results/)
	$(BOOK) register

strip: $(INSTALLED) ## no cell timings, small pictures: the notebooks as they are committed
	$(BOOK) strip

repository: $(INSTALLED) ## make repository URL=https://github.com/OWNER/NAME: the address, everywhere it is repeated
	$(BOOK) repository $(URL)

clean: ## remove what make has built (not the environment, not runs/)
	rm -rf build _build dist .pytest_cache .ruff_cache
