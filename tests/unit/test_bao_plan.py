# SPDX-License-Identifier: GPL-3.0-or-later
"""The desired state as a table, and its comparison with what a server answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.quorum.hardening.plugins.module_utils import bao_plan, subjects
from ansible_collections.quorum.hardening.plugins.module_utils.bao_plan import Item, compare, normal

CONSORTIUM: dict[str, Any] = {
    "hosts": {
        "jump": {"duties": ["jump"], "addresses": {"management": ["198.18.0.2"]}},
        "vault": {"duties": ["vault"], "addresses": {"secrets": ["198.18.3.11"]}},
        "node1": {"duties": ["goquorum"], "addresses": {"ledger": ["198.18.1.21"], "management": ["2001:db8::1"]}},
    },
    "clients": [
        {"name": "app", "addresses": ["198.18.1.40/32", "198.18.9.0/24"], "csr": "APP"},
        {"name": "later", "addresses": [], "csr": ""},
    ],
    "certificate_requests": {"node1": "NODE", "vault": "VAULT", "jump": "JUMP"},
}


def table(**values: Any) -> dict[str, Item]:
    store = {"name": "vault", "addresses": ["198.18.3.11"], "url": "https://198.18.3.11:8200"}
    wanted = {"life": "2160h", "site_life": "8760h", "logins": 20, "issuer": "PEM", **values}
    items = bao_plan.after_authorities("My Demo!", store, subjects=subjects.subjects(CONSORTIUM), **wanted)
    return {item.name: item for item in [*bao_plan.before_authorities(), *items]}


def test_roles_hold_only_names_of_the_model() -> None:
    items = table()
    server = items["certificate role server"].body
    assert server["allowed_domains"] == ["node1"]
    assert server["allowed_ip_sans_cidr"] == ["198.18.1.21/32", "2001:db8::1/128"]
    assert (server["server_flag"], server["client_flag"]) == (True, False)
    client = items["certificate role client"].body
    assert client["allowed_domains"] == ["app", "jump", "later"]
    assert (client["server_flag"], client["client_flag"]) == (False, True)
    peer = items["certificate role peer"].body
    assert (peer["allowed_domains"], peer["allow_ip_sans"]) == ([], False)
    for name in ("server", "client", "peer", "store", "site"):
        body = items[f"certificate role {name}"].body
        assert not any(body[k] for k in ("allow_any_name", "allow_glob_domains", "allow_subdomains", "allow_localhost"))
        assert not body["allow_wildcard_certificates"]
    assert items["login site"].wanted["allowed_common_names"] == ["site.my-demo"]
    assert items["login site"].wanted["token_bound_cidrs"] == ["127.0.0.1/32", "198.18.3.11/32"]
    assert bao_plan.site_name("!!!") == "site.store"


def test_site_may_change_nothing() -> None:
    lines = [line for line in bao_plan.SITE_POLICY.splitlines() if line.startswith("path")]
    for line in lines:
        if any(word in line for word in ("create", "update", "delete")):
            assert any(path in line for path in ("sign/*", "revoke-self", "generate-root-token"))


def test_requests_are_for_those_who_have_one_and_were_looked_at() -> None:
    found = subjects.requests(CONSORTIUM, {"node1": "OLD", "app": "", "later": ""})
    assert [(r["name"], r["csr"], r["role"], r["present"]) for r in found] == [
        ("app", "APP", "client", ""),
        ("node1", "NODE", "server", "OLD"),
    ]
    assert found[0]["addresses"] == ["198.18.1.40"]
    assert subjects.subjects({}) == []


def test_an_audit_label_follows_the_options() -> None:
    devices = [{"type": "file", "options": {"mode": "0600"}}, {"type": "file", "options": {"mode": "0640"}}]
    labels = [d["label"] for d in subjects.audit_labels(devices)]
    assert labels[0] != labels[1]
    assert [d["label"] for d in subjects.audit_labels(devices)] == labels


ITEM = Item("thing", "p", "p", {}, {"a": "1h", "list": ["b", "a"], "deep": {"x": 1}, "none": []})


@pytest.mark.parametrize(
    ("found", "fields"),
    [
        ({"a": 3600, "list": ["a", "b"], "deep": {"x": 1}, "none": None}, []),
        ({"a": 3600, "list": ["a", "b"], "deep": {"x": 1}, "more": 1}, []),
        ({"a": 60, "list": ["a"], "deep": {"x": 2}, "none": ["z"]}, ["a", "list", "deep.x", "none"]),
        ({"a": 3600, "list": ["a", "b"], "deep": None}, ["deep.x"]),
        (None, ["present"]),
    ],
)
def test_compare(found: dict[str, Any] | None, fields: list[str]) -> None:
    assert [d.field for d in compare(ITEM, found)] == fields


def test_compare_below_a_key() -> None:
    item = Item("m", "sys/mounts", "w", {}, {"type": "pki"}, key="m/")
    assert compare(item, {"m/": {"type": "pki"}}) == []
    assert [d.field for d in compare(item, {"m/": {"type": "kv"}})] == ["type"]
    assert [d.field for d in compare(item, {})] == ["present"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("90m", 5400), ("2h", "7200s"), ("198.18.1.1", "198.18.1.1/32"), (20.0, 20), (" text\n", "text"), (("a",), ["a"])],
)
def test_normal(one: Any, other: Any) -> None:
    assert normal(one) == normal(other)


def test_normal_keeps_what_differs() -> None:
    assert normal(True) is True
    assert normal(None) is None
    assert normal(1.5) == 1.5
    assert normal({"a": 1}) == {"a": 1}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_normal_is_stable(value: Any) -> None:
    assert normal(normal(value)) == normal(value)


def test_audit_devices() -> None:
    found = bao_plan.audit_differences(["file-2", "syslog-1"], {"file-1/": {}, "syslog-1/": {}})
    assert [(d.field, d.wanted) for d in found] == [("file-2", True), ("file-1", False)]
