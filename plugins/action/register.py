# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the register and, for a new network, the genesis. Runs on the controller; the hosts have been asked already."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.quorum.hardening.plugins.module_utils import chain
from ansible_collections.quorum.hardening.plugins.module_utils import register as book
from ansible_collections.quorum.hardening.plugins.plugin_utils import ethereum

HEAD = """\
# SPDX-License-Identifier: GPL-3.0-or-later
---
# The register of the consortium: who its members are, with the public half of every key. Nothing in here is secret.
# The playbook quorum.hardening.enrol writes the entries of your own hosts; read the change, then commit it. Entries of
# other members are yours to write: copy them from their registers, and ask them by another way that they are theirs.
"""


class _Dumper(yaml.SafeDumper):
    """YAML as a person would write it: lists indented, texts of several lines as blocks."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists below their key."""
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        """Write every value out."""
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def _plain(value: Any) -> Any:
    """Return a value without Ansible's own string and mapping types."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    return int(value) if isinstance(value, int) else str(value)


class ActionModule(ActionBase):
    """The action ``register``."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Write what is missing and say so."""
        super().run(tmp, task_vars)
        arguments = {
            name: {"type": kind, "required": default is None, **({} if default is None else {"default": default})}
            for name, kind, default in (
                ("path", "path", None),
                ("genesis", "path", None),
                ("hosts", "list", None),
                ("nodes", "list", None),
                ("result", "str", "enrol_identity"),
                ("organisation", "str", None),
                ("region", "str", ""),
                ("members", "list", []),
                ("requests", "dict", {}),
                ("consensus", "str", None),
                ("chain_id", "int", None),
                ("block_period", "int", 5),
            )
        }
        _validation, wanted = self.validate_argument_spec(argument_spec=arguments)
        lacking = ethereum.missing()
        if lacking:
            raise AnsibleActionFail(lacking)
        try:
            return self._enrol(_plain(wanted), (task_vars or {})["hostvars"])
        except chain.ChainError as error:
            raise AnsibleActionFail(f"register: {error}") from error

    def _enrol(self, wanted: dict[str, Any], hostvars: Any) -> dict[str, Any]:
        nodes, tessera, requests = [], [], dict(wanted["requests"])
        for host in wanted["hosts"]:
            found = hostvars[host]
            brought = _plain(found.get(wanted["result"]) or {})
            addresses = _plain(found.get("host_addresses") or {})
            groups = found.get("group_names") or []
            if "goquorum" in groups and brought.get("node_public_key"):
                validator = bool(found.get("goquorum_validator", wanted["consensus"] != "clique"))
                port = int(found.get("goquorum_p2p_port", 30303))
                key, ledger = brought["node_public_key"], addresses.get("ledger", [])
                nodes.append(book.own_node(host, key, ledger, port=port, validator=validator, address_of=_address))
            if "tessera" in groups:
                port = int(found.get("tessera_p2p_port", 9000))
                tessera.append({"name": host, "addresses": addresses.get("privacy", []), "port": port})
            for text in filter(None, brought.get("requests", {}).values()):
                requests[host] = text
        members = book.merged(wanted["members"], wanted["organisation"], wanted["region"], nodes, tessera)
        present = _loaded(wanted["path"])
        content = {
            **present,
            "consortium_members": members,
            "consortium_certificate_requests": {name: requests[name] for name in sorted(requests)},
        }
        files = []
        if present != content:
            text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=1000)
            files.append((wanted["path"], HEAD + text))
        waiting = book.without_key(wanted["nodes"], members, wanted["organisation"])
        validators = book.validators(members, wanted["consensus"], _address)
        if not os.path.exists(wanted["genesis"]):
            if not waiting:
                files.append((wanted["genesis"], _genesis(wanted, validators)))
        else:
            _fits(wanted)
        diff = [
            {"before": _read(path), "after": text, "before_header": path, "after_header": path} for path, text in files
        ]
        for path, text in files:
            if not self._task.check_mode:
                _write(path, text)
        return {
            "changed": bool(files),
            "written": [path for path, _content in files],
            "waiting": waiting,
            "validators": validators,
            "diff": diff,
        }


def _address(enode: str) -> str:
    return chain.validator_address(enode, ethereum.keccak256)


def _genesis(wanted: dict[str, Any], validators: list[str]) -> str:
    document = chain.genesis(
        wanted["consensus"],
        wanted["chain_id"],
        validators,
        ethereum.rlp_encode,
        block_period=wanted["block_period"],
    )
    return json.dumps(document, indent=2) + "\n"


def _fits(wanted: dict[str, Any]) -> None:
    path = wanted["genesis"]
    try:
        document = json.loads(_read(path))
    except ValueError as error:
        raise chain.ChainError(f"{path} is no JSON: {error}") from error
    problem = chain.genesis_problem(document, wanted["consensus"], wanted["chain_id"])
    if problem:
        raise chain.ChainError(f"{path} does not fit the inventory: {problem}")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def _loaded(path: str) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(_read(path)) or {}
    except yaml.YAMLError as error:
        raise chain.ChainError(f"{path} is no YAML: {error}") from error
    if not isinstance(loaded, dict):
        raise chain.ChainError(f"{path} is no mapping of variables")
    return loaded


def _write(path: str, text: str) -> None:
    """Replace a file as a whole, or not at all."""
    directory = os.path.dirname(os.path.abspath(path))
    os.makedirs(directory, exist_ok=True)
    descriptor, staged = tempfile.mkstemp(dir=directory, prefix=f".{os.path.basename(path)}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), 0o644)
            stream.write(text)
        os.replace(staged, path)
    except BaseException:
        os.unlink(staged)
        raise
