# The targets a person types; `make help` lists them.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test check bench deb clean

RUN := .venv/bin/python
INSTALLED := .venv/installed

# Where Debian keeps `ip` and `nft` is not on the path of an ordinary user.
export PATH := $(PATH):/usr/sbin:/sbin

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s  %s\n", $$1, $$2 }' Makefile

demo: $(INSTALLED)  ## a tunnel between network namespaces, step by step
	@tools/setup programs demo
	@$(RUN) -m iphttps.lab.demo

test: $(INSTALLED)  ## every test; iphttps/core must be covered to the last branch
	@tools/setup programs test
	@tools/test

check: $(INSTALLED)  ## types, style and dependencies
	$(RUN) -m mypy iphttps tests bench
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m pip check

bench: $(INSTALLED)  ## how fast it is, side by side with other tunnels
	@tools/setup programs bench
	@$(RUN) -m bench

deb: $(INSTALLED)  ## a package for Debian and its kin, in build/
	@tools/setup programs deb
	@tools/deb

clean:  ## remove what the other targets made, except for .venv
	rm -rf build dist *.egg-info _trial_temp* .coverage* .mypy_cache .ruff_cache .hypothesis
	rm -f twisted/plugins/dropin.cache
	find iphttps tests bench twisted -name __pycache__ -prune -exec rm -rf {} +

$(INSTALLED): setup.cfg pyproject.toml
	@tools/setup venv
