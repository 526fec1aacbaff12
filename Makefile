# make run    install what the app needs into .venv and start it on http://localhost:7860
# make test   install the test tools too, get a browser if there is none, and run every test
# make tune-demo   teach a small model about this app, on a CPU in under five minutes
# make soak   the long tests: hundreds of turns, clients that vanish
# make check  formatter, linter and type checker
# Options:    make run ARGS="--port 8000"      flags of the app
#             make run TORCH_INDEX=https://download.pytorch.org/whl/cpu   PyTorch's smaller CPU build
#             make run PYTHON=python3.12       another Python (3.11 or newer)

PYTHON ?= python3
TORCH_INDEX ?=
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: run test tune-demo soak check browser clean

run: $(VENV)/.run
	$(BIN)/python app.py $(ARGS)

test: $(VENV)/.test browser
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

tune-demo: $(VENV)/.tune
	$(BIN)/python -m finetune.demo $(ARGS)

soak: $(VENV)/.test
	$(BIN)/python -m pytest -m soak -s $(ARGS)

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .

browser: $(VENV)/.test
	$(BIN)/python -m tests.browser

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Groundchat needs Python 3.11 or newer; $(PYTHON) is older or missing. Try: make run PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	@echo "Installing what the app needs into $(VENV); the first time this takes some minutes."
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.tune: requirements.txt requirements-finetune.txt | $(VENV)/bin/python
	@echo "Installing what the app and fine-tuning need into $(VENV); the first time this takes some minutes."
	$(PIP) -r requirements.txt -r requirements-finetune.txt
	@touch $@ $(VENV)/.run

$(VENV)/.test: requirements.txt requirements-finetune.txt requirements-dev.txt | $(VENV)/bin/python
	@echo "Installing what the app and its tests need into $(VENV); the first time this takes some minutes."
	$(PIP) -r requirements-dev.txt
	@touch $@ $(VENV)/.run $(VENV)/.tune

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
