# The doors: run, test, check, bench, fix. Each sets up what it needs.
.PHONY: run setup setup-dev test check lint bench fix lock
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
	$(bin)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: setup-dev
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/lint-imports
	$(bin)/mypy .

check: lint test

bench: setup-dev
	$(bin)/python -m bench $(ARGS)

fix: setup-dev
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

# Resolve the short .in files into pinned lists, for Python 3.11 and newer.
lock: setup-dev
	$(bin)/uv pip compile -q -U --universal --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links requirements.in -o requirements.txt
	$(bin)/uv pip compile -q -U --universal --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links requirements-dev.in -o requirements-dev.txt
	$(bin)/uv pip compile -q -U --no-deps --generate-hashes --python-version 3.12 --no-header --no-emit-index-url --no-emit-find-links requirements-bundled.in -o requirements-bundled.txt
