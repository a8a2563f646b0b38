# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders a role's tree on the controller and sends it in one call."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

from ansible_collections.quorum.hardening.plugins.module_utils.manifest import (
    ManifestError,
    Row,
    entry,
    match,
    named_lines,
    unique,
)
from ansible_collections.quorum.hardening.plugins.module_utils.tree import Entry, pack, selected
from ansible_collections.quorum.hardening.plugins.module_utils.validators import NAMES

# Blocks on lines of their own leave no trace in the file.
OVERRIDES = {"trim_blocks": True, "lstrip_blocks": True}
CONTROL_TAG = re.compile(r"[A-Za-z]+-[0-9]+\Z")
ARGUMENTS = ("root", "manifest", "role", "controls", "skip", "prune", "undo_seconds")


class Tree:
    """A role's tree on the controller, ready to be rendered for one host."""

    def __init__(self, action: ActionModule, root: str, manifest: str, task_vars: dict[str, Any]) -> None:
        self._root = root
        self._manifest = manifest
        self._loader = action._loader
        self._vars = task_vars
        # The role's own templates may be included from its tree.
        self._templar = action._templar.copy_with_new_env(
            searchpath=[root, os.path.join(os.path.dirname(root), "templates")], available_variables=task_vars
        )

    def rows(self) -> list[Row]:
        """The manifest, matched with the files of the tree."""
        try:
            with open(self._manifest, encoding="utf-8") as handle:
                return match(yaml.safe_load(handle) or [], self._files(), NAMES)
        except OSError as problem:
            raise AnsibleActionFail(f"{self._manifest}: {problem.strerror}") from problem
        except (yaml.YAMLError, ManifestError) as problem:
            raise AnsibleActionFail(f"{self._manifest}:\n{problem}") from problem

    def _files(self) -> list[str]:
        found = []
        for folder, directories, names in os.walk(self._root):
            for name in [*names, *(d for d in directories if os.path.islink(os.path.join(folder, d)))]:
                path = os.path.join(folder, name)
                if os.path.islink(path):
                    raise AnsibleActionFail(f"{path}: a symbolic link has no place in the tree")
                found.append(os.path.relpath(path, self._root))
        return found

    def entries(self, row: Row) -> list[Entry]:
        """What a row lands on this host: nothing, one file, or one for each item."""
        where = f"{self._manifest} ({row.path})"
        if not self._applies(row, where):
            return []
        scopes: list[Mapping[str, Any]] = [self._vars]
        if "foreach" in row.values:
            items = self._evaluate(row.values["foreach"], where)
            if not isinstance(items, Sequence) or isinstance(items, str):
                raise AnsibleActionFail(f"{where}: foreach names a list, {row.values['foreach']} is none")
            scopes = [{**self._vars, "item": item} for item in items]
        return [self._entry(row, scope, where) for scope in scopes]

    def _applies(self, row: Row, where: str) -> bool:
        condition = row.values.get("when", True)
        if isinstance(condition, bool):
            return condition
        return all(
            bool(self._evaluate(one, where)) for one in ([condition] if isinstance(condition, str) else condition)
        )

    def _entry(self, row: Row, scope: Mapping[str, Any], where: str) -> Entry:
        try:
            content = self._content(row, scope, "/" + self._render(row.path, scope, where))
            return entry(row, lambda text, values: self._render(text, values, where), scope, content)
        except (ManifestError, ValueError) as problem:
            raise AnsibleActionFail(f"{where}: {problem}") from problem

    def _content(self, row: Row, scope: Mapping[str, Any], destination: str) -> bytes:
        if not row.source:
            return b""
        path = os.path.join(self._root, row.source)
        if not row.template:
            with open(self._loader.get_real_file(path), "rb") as handle:
                return handle.read()
        source = self._loader.get_text_file_contents(path)
        values = {**scope, "template_destpath": destination, "template_path": row.source}
        rendered = self._render(source, values, path).encode()
        return base64.b64decode(b"".join(rendered.split()), validate=True) if "encoding" in row.values else rendered

    def _render(self, text: str, scope: Mapping[str, Any], where: str) -> str:
        if "{" not in text:
            return text
        self._templar.available_variables = scope
        try:
            rendered = self._templar.template(trust_as_template(text), escape_backslashes=False, overrides=OVERRIDES)
        except AnsibleError as problem:
            raise AnsibleActionFail(f"{_located(where, text, problem)}: {_reason(problem)}") from problem
        return str(rendered)

    def _evaluate(self, expression: str, where: str) -> Any:
        self._templar.available_variables = self._vars
        try:
            return self._templar.evaluate_expression(trust_as_template(str(expression)))
        except AnsibleError as problem:
            raise AnsibleActionFail(f"{where}: {expression}: {_reason(problem)}") from problem


def _reason(problem: AnsibleError) -> str:
    return str(getattr(problem, "_original_message", "") or problem)


def _located(where: str, text: str, problem: AnsibleError) -> str:
    """Place of a template's fault: the line that the parser names, else the lines that name what is undefined."""
    cause = problem.__cause__
    line = getattr(cause, "lineno", None)
    lines = [line] if isinstance(line, int) else named_lines(text, _reason(problem))
    if not lines:
        return where
    return f"{where}, line{'s' if len(lines) > 1 else ''} {', '.join(str(number) for number in lines)}"


class ActionModule(ActionBase):
    """``quorum.hardening.overlay`` on the controller."""

    _requires_connection = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        unknown = sorted(set(self._task.args) - set(ARGUMENTS))
        if unknown:
            raise AnsibleActionFail(f"overlay: unknown arguments {', '.join(unknown)}; it knows {', '.join(ARGUMENTS)}")
        arguments = dict(self._task.args)
        role = self._task._role
        base = role._role_path if role else ""
        if not role and not {"root", "manifest", "role"} <= set(arguments):
            raise AnsibleActionFail("overlay: called outside of a role it needs root, manifest and role")
        root = arguments.get("root") or os.path.join(base, "overlay")
        manifest = arguments.get("manifest") or os.path.join(base, "overlay.yml")
        arguments.setdefault("role", role.get_name(include_role_fqcn=False) if role else "")
        if arguments.get("controls") is None:
            arguments["controls"] = [tag for tag in task_vars.get("ansible_run_tags", ()) if CONTROL_TAG.match(tag)]

        tree = Tree(self, root, manifest, task_vars)
        rows = [r for r in tree.rows() if selected(r.controls, arguments["controls"], arguments.get("skip") or [])]
        try:
            entries = unique([made for row in rows for made in tree.entries(row)])
        except ManifestError as problem:
            raise AnsibleActionFail(f"{manifest}:\n{problem}") from problem
        result.update(
            self._execute_module(
                module_name="quorum.hardening.overlay",
                module_args={**arguments, "root": root, "manifest": manifest, "payload": pack(entries)},
                task_vars=task_vars,
            )
        )
        if not self._task.diff:
            result.pop("diff", None)
        return result
