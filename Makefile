# Each target works from a bare clone with Python 3.11+ and make; running it again is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# uv installs what pip would in a tenth of the time, from where pip is told to look.
UV := UV_FIND_LINKS="$${UV_FIND_LINKS-$${PIP_FIND_LINKS-}}" \
  UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX-$${PIP_INDEX_URL-}}" $(BIN)/uv pip install --quiet
INSTALL := $(UV) --python $(BIN)/python
# uv leaves compiling to the first import: if that may not write, every process compiles torch anew.
unexport PYTHONDONTWRITEBYTECODE
FAST := tests/core tests/data tests/search tests/metrics tests/results tests/cli
LOWEST := .venv-lowest
VLLM := .venv-vllm
BENCH := .venv-bench
PYLATE := .venv-pylate
VLLM_INSTALL := $(UV) --python $(VLLM)/bin/python

.PHONY: bench bench-quick bench-gpu eval test test-fast test-faults test-fuzz mutants test-lowest test-vllm vllm-env lint docs fix readme \
  remix-demo wheel-check clean

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rebench needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(BIN)/uv: $(BIN)/python constraints.txt
	$(BIN)/python -m pip --disable-pip-version-check --quiet install -c constraints.txt uv
	@touch $@

$(VENV)/.static: $(BIN)/uv pyproject.toml constraints.txt
	$(INSTALL) -c constraints.txt -e '.[static]'
	@touch $@

$(VENV)/.dev: $(BIN)/uv pyproject.toml constraints.txt
	$(INSTALL) -c constraints.txt -e '.[dev]'
	$(BIN)/python -m tests.helpers.splade
	$(BIN)/python -m tests.helpers.lowest
	@touch $@ $(VENV)/.static

# MiniLM needs the torch extra.
EMBEDDERS = $$($(BIN)/python -c 'from importlib.util import find_spec; \
  print("bm25,wordllama" + ",minilm" * bool(find_spec("sentence_transformers")))')

eval: $(VENV)/.static   ## what installs in seconds, on the embedded tasks: boards, profiles, pairs, page
	models="$(EMBEDDERS)" && $(BIN)/rebench eval --model "$$models" --tasks embedded > /dev/null
	@echo; echo "186 situations on Python's documentation, asked about in four wordings, and 160 on"
	@echo "numpy's and scipy's in two, with ever less of the answer in the words:"; echo
	$(BIN)/rebench leaderboard --measured --tasks embedded
	@echo "Every difference with its p (Holm over all of them), and what could be seen:"; echo
	models="$(EMBEDDERS)" && $(BIN)/rebench compare $$(echo "$$models" | tr , ' ') \
	  --tasks embedded --brief
	$(BIN)/rebench leaderboard --format html -o build/leaderboard.html
	@echo; echo "The page is $(CURDIR)/build/leaderboard.html. Try next:"
	@echo "  $(BIN)/rebench eval --model FOLDER-OR-HUB-ID --tasks embedded   # your own model ('.[torch]')"
	@echo "  $(BIN)/rebench compare bm25 wordllama --tasks stdlib-plain   # where they differ"
	@echo "  $(BIN)/rebench fuse bm25 wordllama --tasks embedded --name hybrid"

test: $(VENV)/.dev   ## the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations=25

test-fast: $(VENV)/.dev   ## without the tests that load a neural model or kill processes
	$(BIN)/python -m pytest $(FAST)

# One process for the first, so that it can print how many faults there were.
test-faults: $(VENV)/.dev   ## faults in full: damage, kills, full disks, several processes, hostile input
	REBENCH_FAULTS=50 $(BIN)/python -m pytest tests/faults
	REBENCH_BUNDLES=1000 $(BIN)/python -m pytest tests/results/test_bundle.py \
	  tests/interop/test_bundles.py
	REBENCH_KILLS=20 $(BIN)/python -m pytest -n 2 --dist loadfile tests/crash \
	  tests/cache/test_claims.py tests/cache/test_damage.py tests/cache/test_full_disk.py \
	  tests/results/test_results_crash.py tests/remixer/test_remix_kill.py \
	  tests/redapter/test_redapter_resume.py tests/ablation/test_ablate_kill.py \
	  tests/models/chat/test_chat_journal_segments.py

mutants: $(VENV)/.dev   ## 200 changes of each package whose arithmetic counts: what no test sees
	$(BIN)/python -m tests.faults.mutants

test-fuzz: $(VENV)/.dev   ## 20,000 changed files for every reader; what is found is kept
	$(BIN)/python -m tests.faults.fuzz

$(LOWEST)/.ready: $(BIN)/uv pyproject.toml
	$(PYTHON) -m venv --clear $(LOWEST)
	$(UV) --python $(LOWEST)/bin/python \
	  --resolution lowest-direct -e '.[static,faiss]' 'pytest>=8' 'hypothesis>=6.100' \
	  'pytest-xdist>=3' 'typeshed-client>=2.7'
	@touch $@

test-lowest: $(LOWEST)/.ready   ## the fast tests under the lowest versions that pyproject.toml allows
	$(LOWEST)/bin/python -m pytest -n 2 --dist loadfile -m 'not torch' $(FAST)

# What vLLM needs, then rebench itself, so that the former can be built beside $(VENV).
$(VLLM)/.ready: $(BIN)/uv constraints-vllm.txt
	$(PYTHON) -m venv --clear $(VLLM)
	$(VLLM_INSTALL) -c constraints-vllm.txt torch
	$(VLLM_INSTALL) --no-deps -r constraints-vllm.txt
	@touch $@

$(VLLM)/.rebench: $(VLLM)/.ready pyproject.toml
	$(VLLM_INSTALL) --no-deps -e .
	@touch $@

vllm-env: $(VLLM)/.ready   ## only what `make test-vllm` needs from elsewhere

test-vllm: $(VLLM)/.rebench   ## vLLM for real on a CPU, in an environment of its own
	$(VLLM)/bin/python -m pytest -n 2 --dist loadfile --disable-warnings -m vllm \
	  tests/vllm tests/remixer/test_remix_vllm.py

# The peers that are measured beside rebench; pylate asks for older libraries than the others.
$(BENCH)/.ready: $(BIN)/uv pyproject.toml constraints-bench.txt
	$(PYTHON) -m venv --clear $(BENCH)
	$(UV) --python $(BENCH)/bin/python -c constraints-bench.txt -e '.[bench]'
	$(BENCH)/bin/python -m tests.helpers.splade
	@touch $@

$(PYLATE)/.ready: $(BIN)/uv constraints-pylate.txt
	$(PYTHON) -m venv --clear $(PYLATE)
	$(UV) --python $(PYLATE)/bin/python --no-deps -r constraints-pylate.txt
	@touch $@

# A pylate that does not install is a row that says so.
bench bench-quick: $(BENCH)/.ready
	-$(MAKE) $(PYLATE)/.ready
	$(BENCH)/bin/python -m benchmarks.peers $(if $(filter bench-quick,$@),--quick)

bench-gpu: $(VENV)/.dev   ## ten minutes at most on one GPU; goes on where it stopped
	$(BIN)/python benchmarks/gpu_bench.py

remix-demo: $(VENV)/.static   ## a training file, its card and its audit, from written replies
	$(BIN)/rebench remix run --task stdlib-oblique \
	  --documents remixer/examples/stdlib-documents.txt.gz \
	  --sources remixer/examples/stdlib-sources.txt \
	  --llm replay:remixer/examples/stdlib-replay.jsonl.gz \
	  --replay-tolerant --no-domain-filter --embedder bm25 --depth 10 --out build/remix-demo
	$(BIN)/rebench remix audit build/remix-demo --task stdlib-oblique -o build/remix-demo/audit.md

docs: $(VENV)/.dev   ## the documentation as a site: build/site/index.html; a warning is an error
	$(BIN)/python -m sphinx -q -E -a -W -n -c docs . build/site

lint: $(VENV)/.dev docs   ## ruff, bandit, mypy --strict and the documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/bandit -q -c pyproject.toml -r harness models remixer redapter results rebench.py
	$(BIN)/mypy

fix: $(VENV)/.dev   ## what ruff can mend by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

readme: $(VENV)/.dev   ## README.md's command output, made anew
	$(BIN)/python -m tests.update_readme

wheel-check: $(BIN)/uv   ## the wheel, installed into an empty environment elsewhere
	PYTHON=$(abspath $(BIN)/python) UV=$(abspath $(BIN)/uv) .ci/wheel-check

clean:
	rm -rf $(VENV) $(VLLM) $(LOWEST) $(BENCH) $(PYLATE) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
