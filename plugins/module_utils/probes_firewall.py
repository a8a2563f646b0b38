# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of the packet filter: the live table, read back from the kernel, against the one the model asks for."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from . import nft
from .probing import Absent, Args, Observation, Unreadable
from .system import System

SHOWN_LINES = 40


def table_objects(system: System, family: str, table: str) -> list[Mapping[str, Any]]:
    """Objects of a live table, as ``nft -j`` lists them; Absent when there is no such table."""
    done = system.run(["nft", "-j", "list", "table", family, table])
    if done.code == 127:
        raise Absent("nft is not installed")
    if done.code != 0:
        if nft.ABSENT in done.err:
            raise Absent(f"there is no table {family} {table}")
        raise Unreadable(f"nft list table: {done.err.strip() or done.code}")
    try:
        objects = json.loads(done.out)["nftables"]
    except (ValueError, KeyError) as problem:
        raise Unreadable(f"nft list table: {problem}") from problem
    return [item for item in objects if isinstance(item, Mapping)]


def _runner(system: System) -> nft.Runner:
    def run(argv: list[str], text: str) -> tuple[int, str, str]:
        done = system.run(argv, text)
        return done.code, done.out, done.err

    return run


def _both(ruleset: str, system: System, spelled: bool) -> tuple[nft.Listing, nft.Listing]:
    """The live table and the wanted one, with or without their texts for people."""
    run = _runner(system)
    try:
        live = nft.live(run, spelled)
        wanted = nft.wanted(nft.prepared(ruleset), run, spelled)
    except nft.NftError as problem:
        raise Unreadable(str(problem)) from problem
    if live is None:
        raise Absent(f"there is no table {nft.TABLE}")
    return live, wanted


def firewall_table(args: Args, system: System) -> Observation:
    """How the live table differs in meaning from the wanted one. args: ruleset.

    found: lines as in a diff, - wanted and + live; empty when both mean the same.
    """
    live, wanted = _both(str(args["ruleset"]), system, spelled=False)
    if live.rules == wanted.rules:
        return Observation([], f"nft list table {nft.TABLE}")
    live, wanted = _both(str(args["ruleset"]), system, spelled=True)
    rows = difflib.unified_diff(wanted.text.splitlines(), live.text.splitlines(), lineterm="", n=0)
    lines = [row.replace("\t", "") for row in rows if row[:1] in "+-" and row[:3] not in ("+++", "---")]
    return Observation(lines[:SHOWN_LINES] or ["the same text, another meaning"], f"nft list table {nft.TABLE}")


def firewall_file(args: Args, system: System) -> Observation:
    """Whether the file loaded at boot holds the wanted ruleset. args: ruleset, path. found: same or different."""
    path = str(args["path"])
    text = system.read(path)
    if text is None:
        raise Absent(f"{path} is not there")
    try:
        same = text == nft.prepared(str(args["ruleset"]))
    except nft.NftError as problem:
        raise Unreadable(str(problem)) from problem
    return Observation("same" if same else "different", path)


def firewall_policies(args: Args, system: System) -> Observation:
    """Policies of the base chains. args: family, table. found: hook -> policy."""
    family, table = str(args["family"]), str(args["table"])
    found = {}
    for item in table_objects(system, family, table):
        chain = item.get("chain", {})
        if "hook" in chain:
            found[str(chain["hook"])] = str(chain.get("policy", "accept"))
    return Observation(found, f"nft list table {family} {table}")


def _plain(value: Any) -> str:
    """An address, a range or a prefix of nft's JSON in the usual notation."""
    if isinstance(value, Mapping):
        if "prefix" in value:
            return f"{value['prefix']['addr']}/{value['prefix']['len']}"
        if "range" in value:
            return f"{value['range'][0]}-{value['range'][1]}"
        if "elem" in value:
            return _plain(value["elem"]["val"])
    return str(value)


def _values(right: Any, sets: Mapping[str, Any]) -> list[str]:
    if isinstance(right, str) and right.startswith("@"):
        right = {"set": sets.get(right[1:], [])}
    if isinstance(right, Mapping) and "set" in right:
        right = right["set"]
    return [_plain(item) for item in right] if isinstance(right, list) else [_plain(right)]


def _matches(rule: Mapping[str, Any], sets: Mapping[str, Any]) -> dict[str, list[str]]:
    """Positive matches of a rule by what they look at: saddr, daddr, sport, dport, iifname, state, ..."""
    found: dict[str, list[str]] = {}
    for statement in rule.get("expr", []):
        match = statement.get("match")
        if not match or match.get("op") not in ("==", "in"):
            continue
        left = match.get("left", {})
        if "payload" in left:
            found[str(left["payload"].get("field"))] = _values(match["right"], sets)
            found.setdefault("protocol", []).append(str(left["payload"].get("protocol")))
        elif "meta" in left:
            found[str(left["meta"].get("key"))] = _values(match["right"], sets)
        elif "ct" in left:
            found[str(left["ct"].get("key"))] = _values(match["right"], sets)
    return found


def _opening(system: System, family: str, table: str, hook: str) -> Iterator[dict[str, list[str]]]:
    """Matches of the accepting rules of a hook that can begin a flow: replies, loopback and ICMP are left out."""
    objects = table_objects(system, family, table)
    sets = {item["set"]["name"]: item["set"].get("elem", []) for item in objects if "set" in item}
    chains = {item["chain"]["name"] for item in objects if item.get("chain", {}).get("hook") == hook}
    for item in objects:
        rule = item.get("rule", {})
        if rule.get("chain") not in chains or not any("accept" in statement for statement in rule.get("expr", [])):
            continue
        seen = _matches(rule, sets)
        replies = "state" in seen and set(seen["state"]) <= {"established", "related"}
        loopback = "lo" in seen.get("iifname", []) + seen.get("oifname", []) + seen.get("iif", []) + seen.get("oif", [])
        messages = {"icmp", "icmpv6"} & set(seen.get("protocol", []) + seen.get("l4proto", []))
        if not (replies or loopback or messages):
            yield seen


def _covers(ports: list[str] | None, port: int) -> bool:
    """Whether a dport match lets a port through; no match at all lets every port through."""
    if ports is None:
        return True
    for item in ports:
        low, _dash, high = item.partition("-")
        if low.isdigit() and int(low) <= port <= int(high or low):
            return True
    return False


def port_sources(args: Args, system: System) -> Observation:
    """Who may open a connection to a port, by the live rules. args: family, table, port, needed.

    found: sorted addresses and CIDRs; "anywhere" for a rule that names no source.
    """
    family, table, port = str(args["family"]), str(args["table"]), int(args["port"])
    found: set[str] = set()
    for seen in _opening(system, family, table, "input"):
        if _covers(seen.get("dport"), port) and "udp" not in seen.get("protocol", []):
            found |= set(seen.get("saddr", ["anywhere"]))
    return Observation(sorted(found), f"nft list table {family} {table}, input")


def egress_targets(args: Args, system: System) -> Observation:
    """Whom the host may open a connection to, by the live rules. args: family, table.

    found: sorted "protocol address port"; "anywhere" and "any" for what a rule leaves open.
    """
    family, table = str(args["family"]), str(args["table"])
    found = set()
    for seen in _opening(system, family, table, "output"):
        transport = [name for name in seen.get("protocol", []) + seen.get("l4proto", []) if name in ("tcp", "udp")]
        for address in seen.get("daddr", ["anywhere"]):
            for port in seen.get("dport", ["any"]):
                found.add(f"{transport[0] if transport else 'any'} {address} {port}")
    return Observation(sorted(found), f"nft list table {family} {table}, output")


PROBES = {
    "firewall_table": firewall_table,
    "firewall_file": firewall_file,
    "firewall_policies": firewall_policies,
    "port_sources": port_sources,
    "egress_targets": egress_targets,
}
