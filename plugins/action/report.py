# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the report from what audit and preflight saw. Runs on the controller, once for all hosts."""

from __future__ import annotations

import datetime
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.quorum.hardening.plugins.module_utils import outputs
from ansible_collections.quorum.hardening.plugins.module_utils.entities import DUTIES
from ansible_collections.quorum.hardening.plugins.module_utils.plain import plain
from ansible_collections.quorum.hardening.plugins.module_utils.score import collect
from ansible_collections.quorum.hardening.plugins.module_utils.scorecard import card
from ansible_collections.quorum.hardening.plugins.module_utils.waivers import (
    apply,
    parse_date,
    read_attestations,
    read_waivers,
)
from ansible_collections.quorum.hardening.plugins.plugin_utils import page, provenance

PHASES = ("before", "after")

display = Display()


def read(path: str) -> dict[str, Any] | None:
    """Return the phase kept at ``path``, None where there is none or one of another format."""
    try:
        with open(path, encoding="utf-8") as file:
            kept: dict[str, Any] = json.load(file)
    except (OSError, ValueError):
        return None
    return kept if kept.get("format") == outputs.FORMAT else None


def write(path: str, content: str) -> None:
    """Replace the file at ``path`` in one step, so that a reader sees the old or the new one, never a half."""
    handle, staged = tempfile.mkstemp(dir=os.path.dirname(path), prefix=f".{os.path.basename(path)}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
    os.chmod(staged, 0o644)
    os.replace(staged, path)


class ActionModule(ActionBase):
    """See the module's documentation."""

    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Collect, judge, keep the phase, write the four files and show the score card."""
        result = super().run(tmp, task_vars)
        del tmp
        task_vars = task_vars or {}
        _validated, args = self.validate_argument_spec(
            argument_spec={
                "phase": {"type": "str", "choices": list(PHASES), "default": "after"},
                "directory": {"type": "path", "default": "build/report"},
                "hosts": {"type": "list", "elements": "str"},
                "findings": {"type": "list", "elements": "dict"},
                "picture": {"type": "dict", "default": {}},
                "waivers": {"type": "list", "elements": "raw", "default": []},
                "attestations": {"type": "list", "elements": "raw", "default": []},
                "controls": {"type": "list", "elements": "str"},
                "programs": {"type": "list", "elements": "dict"},
                "run_id": {"type": "str"},
                "today": {"type": "str"},
                "card": {"type": "bool", "default": True},
            }
        )
        directory = os.path.abspath(os.path.expanduser(args["directory"]))
        kept = {phase: read(os.path.join(directory, f"{phase}.json")) for phase in PHASES}
        current = self._current(args, task_vars)
        if current is not None:
            # A new "before" opens a new comparison; the old "after" says nothing about it.
            kept = {"before": current, "after": None} if args["phase"] == "before" else {**kept, "after": current}
        if not any(kept.values()):
            raise AnsibleActionFail(
                f"There is nothing to report on: run the audit first ({directory} holds no report)."
            )
        report = outputs.compare(kept["before"], kept["after"])
        path = os.path.join(directory, "index.html")
        shown = os.path.relpath(path)
        if self._task.check_mode:
            shown = f"not written in check mode ({shown})"
        else:
            self._keep(directory, kept, report)
        lines = card(report, shown)
        if args["card"]:
            display.display("\n" + "\n".join(lines) + "\n")
        counts = (report["scores"].get("after") or report["scores"]["before"])["counts"]
        # The page is the run's own account, like its log: making it is not a change to what the run manages.
        result.update(changed=False, card=lines, scores=report["scores"], counts=counts, path=path)
        return result

    def _current(self, args: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the phase that this run saw, None when no host was audited in it."""
        hostvars = task_vars.get("hostvars", {})
        inventory = task_vars.get("groups", {}).get("quorum", [])
        reached = task_vars.get("ansible_play_hosts_all") or inventory
        names = args["hosts"] if args["hosts"] is not None else [name for name in inventory if name in reached]
        variables = {name: hostvars[name] for name in names}
        audits = {name: self._audit(variables[name]) for name in names}
        if all(audit is None for audit in audits.values()):
            return None
        try:
            today = parse_date(args["today"]) if args["today"] else datetime.date.today()
        except ValueError as error:
            raise AnsibleActionFail(f"today: {error}") from error
        records = provenance.catalogue()
        known = [record["id"] for record in records]
        selected = self._selected(args, task_vars, known)
        waivers, wrong = read_waivers(plain(args["waivers"]), known)
        attestations, wrong_too = read_attestations(plain(args["attestations"]), known)
        findings = None if args["findings"] is None else plain(args["findings"])
        told = {str(finding.get("variable", "")) for finding in findings or ()}
        problems = [p.to_finding() for p in [*wrong, *wrong_too] if p.variable not in told]
        hosts = {name: [duty for duty in DUTIES if duty in vars_["group_names"]] for name, vars_ in variables.items()}
        seen = collect(records, hosts, audits, None if findings is None else [*findings, *problems], selected)
        judged = apply(seen, records, waivers, attestations, today)
        programs = args["programs"] if args["programs"] is not None else provenance.programs(list(variables.values()))
        head = {
            "run_id": args["run_id"] or self._run_id(),
            "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "collection_version": provenance.version(),
            "commit": provenance.commit(),
            "phase": args["phase"],
            "programs": plain(programs),
            "consortium": str(task_vars.get("consortium_name", "")),
            "organisation": str(task_vars.get("consortium_organisation", "")),
            "profile": str(task_vars.get("consortium_profile", "production")),
            "selected": selected,
        }
        return outputs.document(
            head=head,
            catalogue=records,
            hosts=hosts,
            results=judged,
            findings=[*(findings or []), *problems],
            waivers=[waiver.to_dict(today) for waiver in waivers],
            attestations=[attestation.to_dict(today) for attestation in attestations],
            picture=plain(args["picture"]),
        )

    @staticmethod
    def _audit(variables: Mapping[str, Any]) -> list[dict[str, Any]] | None:
        audit = variables.get("quorum_audit")
        if not isinstance(audit, Mapping) or "results" not in audit:
            return None
        results: list[dict[str, Any]] = plain(audit["results"])
        return results

    @staticmethod
    def _run_id() -> str:
        return f"{datetime.datetime.now(datetime.timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"

    @staticmethod
    def _selected(args: Mapping[str, Any], task_vars: Mapping[str, Any], known: list[str]) -> list[str]:
        """Return the ids to report on: those asked for, else those among the run's tags; none means all."""
        if args["controls"] is not None:
            return [str(identifier) for identifier in args["controls"]]
        tags = {str(tag).lower().replace("_", "-") for tag in task_vars.get("ansible_run_tags", ())}
        return [identifier for identifier in known if identifier.lower() in tags]

    @staticmethod
    def _keep(directory: str, kept: Mapping[str, dict[str, Any] | None], report: Mapping[str, Any]) -> None:
        os.makedirs(directory, exist_ok=True)
        for phase, content in kept.items():
            path = os.path.join(directory, f"{phase}.json")
            if content is not None:
                write(path, outputs.to_json(content))
            elif os.path.exists(path):
                os.unlink(path)
        write(os.path.join(directory, "report.json"), outputs.to_json(report))
        write(os.path.join(directory, "junit.xml"), outputs.to_junit(report))
        write(os.path.join(directory, "report.sarif"), outputs.to_sarif(report))
        write(os.path.join(directory, "index.html"), page.render(report))
