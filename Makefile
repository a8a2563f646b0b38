# SPDX-License-Identifier: GPL-3.0-or-later
# What happens in each step stands in the small scripts under lab/; here is only what depends on what.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STEP := lab/step
LINKED := build/collections/ansible_collections/quorum/hardening
READY := .venv/.done $(LINKED) build/lab/inventory/hosts.yml
# The scenarios of single roles judge with a part of what `consortium` judges with; they are for work on a role.
SCENARIOS := consortium install
S ?= consortium

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: engine ## boot a consortium member, audit it, harden it, audit it again, show the report
	@$(STEP) "demo" lab/demo.sh

audit: engine ## audit the lab as it is (read-only) and write build/report
	@$(STEP) "audit" lab/ctl ansible-playbook quorum.hardening.audit

test: engine lint-fast ## what proves it: lint, unit tests, the scenarios consortium and install (the lab that is there goes)
	@$(STEP) "test" lab/test.sh $(SCENARIOS)
	@$(STEP) "evidence" $(BIN)/python scripts/evidence.py

lint: $(READY) ## all linters, ansible-test sanity and the galaxy importer
	@$(STEP) "lint" lab/lint.sh all

lint-fast: $(READY) ## the linters that take seconds
	@$(STEP) "lint-fast" lab/lint.sh fast

unit: $(READY) ## unit tests with branch coverage of module_utils
	@$(STEP) "unit tests" lab/unit.sh

scenario: engine ## one Molecule scenario: make scenario S=consortium (or install, host, goquorum, vault, vm: docs/lab.md)
	@$(STEP) "scenario $(S)" lab/scenario.sh $(S)

vm: $(READY) ## one virtual machine: what a container cannot show (VM_RELEASE=bookworm)
	@$(STEP) "scenario vm" lab/scenario.sh vm

soak: engine ## what is long, on the lab that `make demo` hardened: the undo at full length, killed runs, rotation; and make vm
	@$(STEP) "soak: undo" $(BIN)/python -m tests.undo.drill
	@$(STEP) "soak: interrupted runs" $(BIN)/python -m tests.soak.interrupt
	@$(STEP) "soak: administrators rotated" $(BIN)/python -m pytest -q tests/soak/test_rotation.py
	@$(MAKE) vm

bench: engine ## first run, second run and audit on 1 to 16 hosts beside the lab that `make demo` hardened
	@$(STEP) "bench" $(BIN)/python bench/bench.py

docs: $(READY) ## the pages rendered from the catalogue
	@$(STEP) "docs" $(BIN)/python scripts/control_pages.py

build: $(READY) ## the collection's archive, to install elsewhere
	@$(STEP) "build" $(BIN)/ansible-galaxy collection build --force --output-path build

lab-up: engine ## boot the lab, or what is missing of it
	@$(STEP) "lab" $(BIN)/python lab/lab.py up

lab-down: $(READY) ## remove the lab's containers and networks; images and archives stay
	@$(STEP) "lab" $(BIN)/python lab/lab.py down

clean: ## remove the lab, what was built, and the Docker daemon if it was started here
	@if [ -x $(BIN)/python ] && docker info >/dev/null 2>&1; then $(BIN)/python lab/lab.py down; fi
	@if [ -x $(BIN)/python ]; then $(BIN)/python lab/vm.py down; fi
	@lab/engine.sh stop
	@rm -rf build .venv

engine: $(READY)
	@lab/engine.sh start

.venv/.done: requirements.txt
	@$(STEP) "Python environment" lab/venv.sh $(PYTHON)

$(LINKED):
	@mkdir -p $(@D) && ln -sfn $(CURDIR) $@

# ansible.cfg names it, and Ansible refuses to start without: until the lab is up, the lab's inventory as it is kept.
build/lab/inventory/hosts.yml:
	@mkdir -p build/lab && cp -R inventories/lab build/lab/inventory

.PHONY: help demo audit test lint lint-fast unit scenario vm soak bench docs build lab-up lab-down clean engine
