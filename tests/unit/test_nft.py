# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ruleset means, what is refused, and what is asked of nft: on listings as nft 1.0.6 and 1.1.3 give them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.quorum.hardening.plugins.module_utils import nft
from ansible_collections.quorum.hardening.plugins.module_utils.nft import NftError

PLACE = {"family": "inet", "table": "quorum_hardening"}
BODY = "table inet quorum_hardening {\n  chain input { type filter hook input priority 0; policy drop; }\n}\n"


def match(field, value):
    left = {"payload": {"protocol": "tcp", "field": field}}
    return {"match": {"op": "==", "left": left, "right": value}}


def listing(ports=(80, 443), admins=("10.0.0.1",), seen=(), handle=1, packets=0, newer=False, rules=None):
    """A table as nft lists it; ``newer`` in the order and with the flags of 1.1.3."""
    flags = {"flags": ["timeout", "dynamic"]} if newer else {"flags": ["timeout"]}
    elements = {"elem": [{"elem": {"val": value, "expires": 59}} for value in seen]} if seen else {}
    chain = {**PLACE, "name": "input", "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}
    sets = [
        {"set": {**PLACE, "name": "admins", "type": "ipv4_addr", "handle": 2, "elem": list(admins)}},
        {"set": {**PLACE, "name": "seen", "type": "ipv4_addr", "handle": 3, "timeout": 60, **flags, **elements}},
    ]
    add = {"set": {"op": "add", "elem": {"payload": {"protocol": "ip", "field": "saddr"}}, "set": "@seen"}}
    counter = {"counter": {"packets": packets, "bytes": packets * 60}}
    rows = [[match("dport", {"set": list(ports)}), counter, {"accept": None}], [add, {"drop": None}]]
    return json.dumps(
        {
            "nftables": [
                {"metainfo": {"version": "1.1.3" if newer else "1.0.6", "json_schema_version": 1}},
                {"table": {"family": "inet", "name": "quorum_hardening", "handle": handle}},
                *([{"chain": chain}, *sets] if newer else [*sets, {"chain": chain}]),
                *(
                    {"rule": {**PLACE, "chain": "input", "handle": 6 + i, "expr": e}}
                    for i, e in enumerate(rules or rows)
                ),
            ]
        }
    )


@pytest.mark.parametrize(
    "other",
    [
        {"handle": 77},
        {"packets": 4711},
        {"seen": ("203.0.113.9",)},
        {"ports": (443, 80)},
        {"admins": ("10.0.0.1",)},
    ],
)
def test_what_changes_by_itself_does_not_count(other):
    assert nft.meaning(listing(**other)) == nft.meaning(listing())


@pytest.mark.parametrize(
    "other",
    [
        {"ports": (80,)},
        {"admins": ("10.0.0.1", "10.0.0.2")},
        {"admins": ()},
        {"rules": [[{"accept": None}], [{"drop": None}]]},
        {"rules": [[{"drop": None}], [{"accept": None}]]},
    ],
)
def test_what_means_something_else_counts(other):
    assert nft.meaning(listing(**other)) != nft.meaning(listing())


def test_the_order_of_rules_means_something():
    rules = [[{"accept": None}], [{"drop": None}]]
    assert nft.meaning(listing(rules=rules)) != nft.meaning(listing(rules=rules[::-1]))


@given(st.lists(st.integers(1, 65535), unique=True, min_size=1), st.randoms())
def test_the_order_within_a_set_means_nothing(ports, random):
    mixed = random.sample(ports, len(ports))
    assert nft.meaning(listing(ports=ports)) == nft.meaning(listing(ports=mixed))


def test_a_set_filled_by_rules_is_known_without_its_flag():
    """nft 1.0.6 leaves ``dynamic`` out of its JSON, and cannot write some statements in JSON at all."""

    def plain(elements, statement):
        row = {**PLACE, "name": "s", "type": "ipv4_addr", "size": 99, **({"elem": elements} if elements else {})}
        rule = {**PLACE, "chain": "input", "expr": [statement]}
        return json.dumps({"nftables": [{"set": row}, {"rule": rule}]})

    for statement in ({"set": {"op": "update", "elem": "x", "set": "@s"}}, "add @s { ip saddr : tcp dport }"):
        assert nft.meaning(plain(["1.2.3.4"], statement)) == nft.meaning(plain([], statement))
    other = {"set": {"op": "update", "elem": "x", "set": "@t"}}
    assert nft.meaning(plain(["1.2.3.4"], other)) != nft.meaning(plain([], other))


def test_newer_listings_are_read_in_any_order():
    keys = set(nft.meaning(listing()))
    assert set(nft.meaning(listing(newer=True, seen=("1.2.3.4",)))) == keys
    assert "rules inet quorum_hardening input" in keys
    assert "table inet quorum_hardening" in keys


@pytest.mark.parametrize("text", ["", "{}", "[]", "no json"])
def test_no_listing_is_an_error(text):
    with pytest.raises(NftError, match="no listing in JSON"):
        nft.meaning(text)


@pytest.mark.parametrize(
    "text",
    [
        BODY,
        BODY.rstrip("\n"),
        "# who: flush ruleset; table ip nat {\ndefine admins = { 10.0.0.1, 10.0.0.2 }\n" + BODY,
        BODY.replace("policy drop;", 'policy drop; log prefix "include } ; table ip x"\n'),
        "table inet quorum_hardening {\n}\n",
        "table \\\n inet   quorum_hardening\t{ }",
    ],
)
def test_a_text_of_our_table_is_made_to_replace_it(text):
    assert nft.prepared(text) == nft.FRESH + text + ("" if text.endswith("\n") else "\n")


def test_a_text_that_replaces_the_table_by_itself_stays_as_it_is():
    assert nft.prepared(nft.FRESH + BODY) == nft.FRESH + BODY


@pytest.mark.parametrize(
    "text",
    [
        "flush ruleset\n" + BODY,
        BODY + "flush ruleset",
        BODY + "table ip nat { }\n",
        BODY + "table inet quorum_hardening2 { }\n",
        BODY + "delete table inet filter\n",
        BODY + "add rule inet filter input accept\n",
        BODY + "; destroy table inet quorum_hardening\n",
        BODY + "tab\\\nle ip x { }\n",
        'include "/etc/nftables.conf"\n' + BODY,
    ],
)
def test_any_other_statement_is_refused(text):
    with pytest.raises(NftError, match=r"nothing but the table inet quorum_hardening|may not include"):
        nft.prepared(text)


@pytest.mark.parametrize("separator", ["\n", ";", "{"])
def test_an_include_within_the_table_is_refused(separator):
    with pytest.raises(NftError, match="may not include other files"):
        nft.prepared(BODY.replace("{\n", "{" + separator.replace("{", "") + ' include "/etc/x"\n', 1))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "does not define"),
        (nft.FRESH, "does not define"),
        ("# table inet quorum_hardening {}\n", "does not define"),
        (BODY + "}", "has no opening one"),
        (BODY[:-3], "is not closed"),
        (BODY.replace("policy", '"policy'), "quote in the ruleset is not closed"),
    ],
)
def test_what_is_no_whole_table_is_refused(text, problem):
    with pytest.raises(NftError, match=problem):
        nft.prepared(text)


def test_backslashes_elsewhere_are_text():
    assert nft.statements("a \\ b") == ["a \\ b"]


TEXT = """table inet quorum_hardening {
\tset admins {
\t\ttype ipv4_addr
\t\telements = { 10.0.0.1,
\t\t\t     10.0.0.2 }
\t}

\tset seen {
\t\ttype ipv4_addr
\t\tflags dynamic,timeout
\t\ttimeout 1m
\t\telements = { 1.2.3.4,
\t\t\t     5.6.7.8 }
\t}

\tchain input {
\t\tudp dport 53 accept
\t}
}
"""


def test_the_readable_text_leaves_out_what_packets_filled_in():
    text = nft.readable(TEXT)
    assert "1.2.3.4" not in text
    assert "5.6.7.8" not in text
    assert "10.0.0.2" in text
    assert text.count("\t}\n") == 3


class FakeNft:
    """nft and unshare of a host: what they are asked is kept, what they answer is told beforehand."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    def __call__(self, argv, text):
        self.asked.append((argv, text))
        key = "ruleset" if argv[-1] == "ruleset" else argv[1].strip("-")
        return self.answers.get(key, (0, "", ""))


def host(**answers):
    return FakeNft(**{"j": (0, listing(), ""), "s": (0, TEXT, ""), **answers})


def test_the_live_table_is_listed_by_meaning_and_for_people():
    found = nft.live(host())
    assert found.rules == nft.meaning(listing())
    assert found.text == nft.readable(TEXT)


def test_a_host_without_our_table():
    bare = host(j=(1, "", "Error: No such file or directory\nlist table inet quorum_hardening\n"))
    assert nft.live(bare) is None
    assert nft.saved(bare) == nft.FRESH


def test_the_saved_text_replaces_whatever_there_is():
    assert nft.saved(host()) == nft.FRESH + nft.readable(TEXT)


def test_an_nft_that_fails_is_told():
    with pytest.raises(NftError, match="cannot be listed: no netlink"):
        nft.live(host(j=(1, "", "no netlink\n")))
    with pytest.raises(NftError, match="cannot be listed: gone"):
        nft.live(host(s=(1, "", "gone")))
    # A program that is not there is no table that is not there.
    with pytest.raises(NftError, match="cannot be listed"):
        nft.live(host(j=(127, "", "[Errno 2] No such file or directory: 'nft'")))


def test_the_wanted_table_is_loaded_into_a_namespace_of_its_own():
    run = FakeNft(net=(0, listing() + "\0" + TEXT, ""))
    found = nft.wanted("text", run)
    assert found == nft.Listing(nft.meaning(listing()), nft.readable(TEXT))
    ((argv, text),) = run.asked
    assert argv[:2] == ["unshare", "--net"]
    assert text == "text"


def test_a_wanted_text_with_another_table_is_refused():
    foreign = listing().replace('"name": "quorum_hardening"', '"name": "nat"')
    with pytest.raises(NftError, match="it makes table inet nat"):
        nft.wanted("text", FakeNft(net=(0, foreign + "\0", "")))


def test_a_text_that_nft_refuses_is_refused_in_its_words():
    with pytest.raises(NftError, match="syntax error, unexpected"):
        nft.wanted("text", FakeNft(net=(1, "", "syntax error, unexpected '}'\n")))
    with pytest.raises(NftError, match="nft refuses the ruleset: no"):
        nft.load("text", FakeNft(f=(1, "", "no\n")))


@pytest.mark.parametrize(("check", "argv"), [(False, ["nft", "-f", "-"]), (True, ["nft", "-c", "-f", "-"])])
def test_loading_is_one_transaction(check, argv):
    run = FakeNft()
    nft.load("text", run, check=check)
    assert run.asked == [(argv, "text")]


def test_commands_tell_status_output_and_errors():
    assert nft.run_command(["sh", "-c", "cat; echo e >&2; exit 3"], "in") == (3, "in", "e\n")
    assert nft.run_command(["/nowhere/to/be/found"], "")[0] == 127


def test_without_the_text_for_people_nft_is_asked_less():
    live, wanted = host(), FakeNft(net=(0, listing(), ""))
    assert (
        nft.live(live, spelled=False)
        == nft.wanted("text", wanted, spelled=False)
        == nft.Listing(nft.meaning(listing()), "")
    )
    assert [argv[1] for argv, _text in live.asked] == ["-j"]
    assert "-s" not in wanted.asked[0][0][-1]
