# Two commands for people: `make demo` and `make test`. Both install what they need into .venv.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# Test files at once; many of them wait for a browser or another process.
JOBS ?= 3

.PHONY: demo check test browser audit docs clean

# DINOv2 is fetched once, into the user's cache; without a network the small backbone does it.
demo: .venv/.demo
	-@$(BIN)/acseg backbones fetch dinov2-small || echo "going on with the small backbone that ships"
	$(BIN)/acseg demo -o demo-out

test: $(STAMP) browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist loadfile --cov --cov-fail-under=90

# The fast lane: lint, types and the tests that take no browser, cluster or killed process.
check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile tests/concepts tests/classes tests/evaluation \
	  tests/output tests/images tests/model/test_settings.py tests/model/test_folder.py

.venv/bin/pip:
	$(PYTHON) -m venv .venv

# The constraints take the CPU build of torch where there is one; use your own torch with
# `.venv/bin/pip install` if you have a GPU.
.venv/.demo: .venv/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[demo]'
	touch $@

$(STAMP): .venv/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ .venv/.demo

# The report is tested in a real browser; without one, and without the right to install one,
# those tests skip and say so.
browser:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; } \
	  || echo "no chromium: the tests of the report in a browser will skip"

# Known holes in what is installed; skipped, with a message, where there is no network.
audit: $(STAMP)
	@$(BIN)/pip-audit --skip-editable --progress-spinner off >.venv/audit.log 2>&1; code=$$?; \
	cat .venv/audit.log; \
	if [ $$code != 0 ] && ! grep -qi 'known vulnerabilit' .venv/audit.log \
	  && grep -qiE 'connection|timed out|resolve|network' .venv/audit.log; \
	then echo "audit: skipped, no network"; else exit $$code; fi

# The documentation as a site, in site/.
docs: $(STAMP)
	$(BIN)/python docs/commands.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf .venv demo-out build dist site
