# The doors: run, test, check, bench, eval, fix. Each sets up what it needs.
.PHONY: run setup setup-dev test check lint bench eval fix lock
.DEFAULT_GOAL := run
bin := .venv/bin

run: setup
	@exec $(bin)/python manage.py up

setup:
	@scripts/setup

setup-dev:
	@scripts/setup dev

test: setup-dev
	@scripts/install-browser
	$(bin)/python -m pytest -n 2 $(ARGS)

lint: setup-dev
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/lint-imports
	$(bin)/mypy .

check: lint test

bench: setup-dev
	$(bin)/python -m bench $(ARGS)

# Real data that the repository never contains; `make eval EVAL_DATA=folder`.
eval:
	@test -n "$(EVAL_DATA)" || { echo "make eval: say where the data is: make eval EVAL_DATA=folder" >&2; exit 2; }
	@test -f "$(EVAL_DATA)/paraphrase_qqp/pairs_dev.jsonl" || test -f "$(EVAL_DATA)/docs_ingest/MANIFEST_dev.csv" || { echo "make eval: $(EVAL_DATA) has no paraphrase_qqp/pairs_dev.jsonl and no docs_ingest/MANIFEST_dev.csv" >&2; exit 2; }
	@$(MAKE) --no-print-directory setup-dev
	@test ! -f "$(EVAL_DATA)/docs_ingest/MANIFEST_dev.csv" || DJANGO_SETTINGS_MODULE=polyai.settings $(bin)/python -m bench.documents "$(EVAL_DATA)"
	@test ! -f "$(EVAL_DATA)/paraphrase_qqp/pairs_dev.jsonl" || $(bin)/python -m bench.evaluation "$(EVAL_DATA)"
	@test ! -d "$(EVAL_DATA)/retrieval_cranfield" || $(bin)/python -m bench.retrieval "$(EVAL_DATA)"

fix: setup-dev
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

# Resolve the short .in files into pinned lists, for Python 3.11 and newer.
lock: setup-dev
	$(bin)/uv pip compile -q -U --universal --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links requirements.in -o requirements.txt
	$(bin)/uv pip compile -q -U --universal --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links requirements-dev.in -o requirements-dev.txt
	$(bin)/uv pip compile -q -U --no-deps --generate-hashes --python-version 3.12 --no-header --no-emit-index-url --no-emit-find-links requirements-bundled.in -o requirements-bundled.txt
