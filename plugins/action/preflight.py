# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges the whole inventory on the controller; see modules/preflight.py for the documentation."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

# Ansible loads an action before it starts the processes of the tasks, so that none has to load these filters again.
from ansible_collections.quorum.hardening.plugins.filter.consortium import fact
from ansible_collections.quorum.hardening.plugins.lookup import catalog
from ansible_collections.quorum.hardening.plugins.module_utils import documents, inputs, judge
from ansible_collections.quorum.hardening.plugins.module_utils.catalog import IDS
from ansible_collections.quorum.hardening.plugins.module_utils.entities import Consortium, Finding, to_plain
from ansible_collections.quorum.hardening.plugins.module_utils.model import build
from ansible_collections.quorum.hardening.plugins.module_utils.plain import plain
from ansible_collections.quorum.hardening.plugins.module_utils.reader import show
from ansible_collections.quorum.hardening.plugins.module_utils.rules import Case
from ansible_collections.quorum.hardening.plugins.plugin_utils import attested

display = Display()

#: The root of the collection, wherever it is installed.
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
#: Variables of Ansible itself that the rules look at.
_ANSIBLE = ("group_names", "inventory_dir", "ansible_host", "ansible_user", "ansible_ssh_user", "ansible_connection")


class ActionModule(ActionBase):
    """The action ``quorum.hardening.preflight``."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Read, judge, and fail with all findings at once."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, args = self.validate_argument_spec(
            argument_spec={
                "looks": {"type": "dict", "default": {}},
                "enrolled": {"type": "bool", "default": True},
                "fail": {"type": "bool", "default": True},
            }
        )
        unread: list[Finding] = []
        hostvars = dict(_inventory(task_vars["hostvars"], unread))
        consortium, misread = build(hostvars)
        case = Case(
            c=consortium,
            hostvars=hostvars,
            specs=_specs(),
            looks=plain(args["looks"]),
            users={name: self._user(hostvars[name]) for name in consortium.hosts},
            enrolled=args["enrolled"],
            control_ids=frozenset(IDS),
            genesis=os.path.exists(consortium.genesis_file) if consortium.genesis_file else None,
            today=datetime.datetime.now(tz=datetime.timezone.utc).date(),
            **_promised(consortium, hostvars),
        )
        found = unread + misread + judge.judge_case(case) + list(_mistyped(case))
        findings = judge.withhold(judge.settle(found, consortium.hosts), case.specs)
        result.update(changed=False, findings=[to_plain(finding) for finding in findings])
        for line in _taken_back(case.looks):
            display.warning(line)
        if findings:
            result.update(failed=args["fail"], msg=judge.message(findings))
        if not result.get("failed"):
            result["ansible_facts"] = {"consortium": fact(consortium)}
        return result

    def _user(self, values: dict[str, Any]) -> str:
        """The account that the run logs in with; empty where only ssh's own configuration knows."""
        return str(values.get("ansible_user") or values.get("ansible_ssh_user") or self._play_context.remote_user or "")


def _taken_back(looks: dict[str, Any]) -> Iterator[str]:
    """What the hosts undid by themselves since the last confirmed change, so that the next run says what happened."""
    for host, look in sorted(looks.items()):
        for record in look.get("undone") or ():
            yield (
                f"{host}: an earlier change ({record['name']}) was taken back by the host itself at"
                f" {record['fired_at']} ({record['reason']}), because nobody confirmed it over a fresh connection"
            )


def _inventory(hostvars: Any, unread: list[Finding]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Host and its variables of ours as the inventory and the command line give them, rendered, in plain types.

    Facts and registered results are left out, so that every run reads the same.
    """
    inventory, loader = getattr(hostvars, "_inventory", None), getattr(hostvars, "_loader", None)
    if inventory is not None and loader is not None:
        hostvars = HostVars(inventory, VariableManager(loader=loader, inventory=inventory), loader)
    for name in hostvars:
        values, rendered = hostvars[name], {}
        for variable in values:
            if variable not in _ANSIBLE and not str(variable).startswith(tuple(f"{p}_" for p in inputs.PREFIXES)):
                continue
            try:
                rendered[str(variable)] = plain(values[variable])
            except Exception as error:  # an inventory may hold any template, and each may fail in its own way
                problem = "cannot be resolved: " + " ".join(str(error).split())
                advice = "a value, or a template whose variables all exist in the inventory"
                unread.append(Finding(str(name), str(variable), "(a template)", problem, advice, (), "type"))
        yield str(name), rendered


def _promised(c: Consortium, hostvars: dict[str, Any]) -> dict[str, Any]:
    """The attested documents, and what each control asks of its own; paths are seen from the inventory's directory."""
    if not c.attestations:
        return {}
    directory = next((str(values["inventory_dir"]) for values in hostvars.values() if values.get("inventory_dir")), "")
    return {
        "documents": attested.readings({promise.document for promise in c.attestations}, directory),
        "topics": {control: documents.topics(record) for control, record in catalog.load().items()},
    }


def _specs() -> dict[str, dict[str, dict[str, Any]]]:
    """Name of the role, or ``consortium`` -> options of its main entry point."""
    paths = {"consortium": os.path.join(ROOT, "playbooks", "vars", "consortium_spec.yml")}
    roles = os.path.join(ROOT, "roles")
    for role in sorted(os.listdir(roles)) if os.path.isdir(roles) else ():
        paths[role] = os.path.join(roles, role, "meta", "argument_specs.yml")
    found = {}
    for name, path in paths.items():
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found[name] = inputs.options(yaml.safe_load(file))
    return found


def _mistyped(case: Case) -> Iterator[Finding]:
    """Values that Ansible's own validator refuses for their option; equal values are validated once."""
    known: dict[tuple[str, str], list[str]] = {}
    for check in inputs.checks(case):
        key = (check.variable, repr(check.value))
        if key not in known:
            option = {k: v for k, v in check.option.items() if k != "description"}
            validator = ArgumentSpecValidator({check.variable: option})
            known[key] = validator.validate({check.variable: check.value}).error_messages
        for problem in known[key]:
            advice = inputs.describe(check.variable, check.option)
            yield Finding(check.host, check.variable, show(check.value), problem.rstrip("."), advice, (), "argument")
