# SPDX-License-Identifier: GPL-3.0-or-later
"""The module and the lookup, as Ansible calls them."""

from __future__ import annotations

import json

import pytest
import yaml
from ansible.errors import AnsibleError

from ansible_collections.quorum.hardening.plugins.lookup import catalog
from ansible_collections.quorum.hardening.plugins.module_utils import probes_all
from ansible_collections.quorum.hardening.plugins.modules import audit


class Ended(Exception):
    """Carries what the module handed back."""


def call(monkeypatch, **params):
    spec = {}

    class Module:
        def __init__(self, argument_spec, supports_check_mode):
            assert supports_check_mode
            spec.update(argument_spec)
            self.params = {"timeout": 5.0, **params}

        def exit_json(self, **result):
            raise Ended(result)

    monkeypatch.setattr(audit, "AnsibleModule", Module)
    with pytest.raises(Ended) as ended:
        audit.main()
    return ended.value.args[0], spec


def test_the_module_looks_and_changes_nothing(monkeypatch, tmp_path):
    probe = {"id": "p", "control": "NODE-09", "probe": "file_facts", "args": {"path": str(tmp_path)}}
    wanted = {"fields": {"kind": {"equals": "directory"}}}
    result, spec = call(monkeypatch, probes=[{**probe, "expect": wanted}, {**probe, "probe": "x", "expect": wanted}])
    assert result["changed"] is False
    assert [one["status"] for one in result["results"]] == ["pass", "error"]
    assert json.loads(json.dumps(result)) == result
    options = yaml.safe_load(audit.DOCUMENTATION)["options"]
    assert set(options) == set(spec)
    assert set(options["probes"]["suboptions"]) == set(spec["probes"]["options"])


def test_what_a_duty_brings_is_loaded_where_it_is_asked_for():
    assert set(probes_all.probes_for(["file_facts"])) == set(probes_all.ORDINARY)
    assert set(probes_all.probes_for(["file_facts", "node_list"])) == set(probes_all.probes_for())
    assert {"node_list", "tls_front", "second_factors"} <= set(probes_all.probes_for()) - set(probes_all.ORDINARY)


def test_every_probe_has_a_name_of_its_own():
    assert all(function.__name__ == name for name, function in probes_all.probes_for().items())
    assert all(function.__doc__ for function in probes_all.probes_for().values())


class Lookup(catalog.LookupModule):
    """The lookup without the plugin loader, which needs an installed collection to know the options."""

    def __init__(self, given):
        self.given = given

    def set_options(self, **given):
        pass

    def get_option(self, option, hostvars=None):
        return self.given.get(option)


def look(term, **options):
    return Lookup(options).run([term])[0]


def test_the_lookup_gives_lists():
    assert look("ids")[0] == "HOST-01"
    assert [record["id"] for record in look("controls", controls=["host-04", "PTM-06"])] == ["HOST-04", "PTM-06"]
    assert look("rows", controls=["HOST-04"])[0]["severity"] == "critical"
    assert {row["control"] for row in look("probes", context={"duties": ["jump"]}, tags=["host-04", "always"])} == {
        "HOST-04"
    }
    assert len(look("probes", context={"duties": ["jump"]}, tags=["all"])) > 10


@pytest.mark.parametrize(("term", "options"), [("nothing", {}), ("ids", {"controls": ["HOST-99"]})])
def test_the_lookup_refuses_what_it_does_not_know(term, options):
    with pytest.raises(AnsibleError):
        look(term, **options)
