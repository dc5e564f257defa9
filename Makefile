# The targets a person types; `make help` lists them.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-versions check bench man doc docs deb lock clean

RUN := .venv/bin/python
INSTALLED := .venv/installed

# Where Debian keeps `ip` and `nft` is not on the path of an ordinary user.
export PATH := $(PATH):/usr/sbin:/sbin

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s  %s\n", $$1, $$2 }' Makefile

demo: $(INSTALLED)  ## a tunnel between network namespaces, step by step
	@tools/setup programs demo
	@$(RUN) -m iphttps.lab.demo

test: $(INSTALLED)  ## every test; core and pki must be covered to the last branch
	@tools/setup programs test
	@tools/test

test-versions:  ## tests with the oldest and the newest libraries, on each Python from 3.11 to 3.14
	@tools/versions

check: $(INSTALLED)  ## types, style and dependencies; what is compiled is fuzzed for a moment
	@tools/setup programs check
	$(RUN) -m mypy iphttps tests bench manual examples tools/sbom.py
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m pip check
	tools/fuzz 15

bench: $(INSTALLED)  ## how fast it is, side by side with other tunnels
	@tools/setup programs bench
	@$(RUN) -m bench

man: $(INSTALLED)  ## manual pages and completions, into build/man and build/completion
	@$(RUN) -m manual build

doc: $(INSTALLED)  ## the generated pages in docs/: configuration, drop reasons, conformance
	@$(RUN) -m manual --document
	@$(RUN) -m tests.conformance document > docs/conformance.md

docs: $(INSTALLED)  ## the API reference, from the docstrings, into build/docs
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@$(RUN) -m pdoc --output-directory build/docs iphttps '!iphttps.lab'

deb: man  ## a package for Debian and its kin, in build/
	@tools/setup programs deb
	@tools/deb

lock: $(INSTALLED)  ## the versions and hashes of what the Debian package brings along
	@tools/lock

clean:  ## remove what the other targets made, except for .venv
	rm -rf build dist *.egg-info _trial_temp* .coverage* .mypy_cache .ruff_cache .hypothesis
	rm -f twisted/plugins/dropin.cache
	find iphttps tests bench manual twisted -name __pycache__ -prune -exec rm -rf {} +

$(INSTALLED): setup.cfg setup.py pyproject.toml $(wildcard iphttps/host/device/offload*.[ch] iphttps/net/stream/loop*.[ch])
	@tools/setup venv
