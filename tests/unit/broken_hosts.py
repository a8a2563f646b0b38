# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes about hosts: duties, the way in, people, network."""

from __future__ import annotations

from broken_inventories import everywhere, on, person, register, row, without
from consortium_sample import CSR, KEY, inventory

BROKEN_HOSTS = [
    row(
        "two duties",
        "duty-shared vault groups",
        "several duties",
        "one of these",
        on("vault", group_names=["quorum", "vault", "tessera"]),
    ),
    row("no duty", "duty-missing vault groups", "no duty", "goquorum", on("vault", group_names=["quorum"])),
    row(
        "not managed", "duty-missing vault groups", "no playbook", "child of quorum", on("vault", group_names=["vault"])
    ),
    row("no jump host", "jump-missing consortium groups.jump", "no jump host", "group jump", without("jump")),
    row(
        "nobody may enter",
        "jump-unreachable jump host_administrator_networks",
        "lock itself out",
        "controller",
        everywhere(host_administrator_networks=[]),
    ),
    row(
        "other IP version",
        "jump-unreachable jump host_administrator_networks",
        "IP version",
        "IP version",
        on("jump", host_addresses={"management": ["198.18.0.2"]}, host_administrator_networks=["2001:db8::5"]),
    ),
    row(
        "no administrators",
        "administrators consortium host_administrators",
        "nobody could log in",
        "name, keys",
        everywhere(host_administrators=[]),
    ),
    row(
        "no key",
        "administrators consortium host_administrators[0].keys",
        "has no key",
        ".pub",
        everywhere(host_administrators=[person(keys=[])]),
    ),
    row(
        "no key at all",
        "administrators consortium host_administrators[0].keys",
        "has no key",
        ".pub",
        everywhere(host_administrators=[{"name": "ops"}]),
    ),
    row(
        "two keys in one",
        "administrators consortium host_administrators[0].keys[0]",
        "more than one line",
        ".pub",
        everywhere(host_administrators=[person(keys=[KEY + "\n" + KEY])]),
    ),
    row(
        "broken key",
        "administrators consortium host_administrators[0].keys[0]",
        "cut off",
        ".pub",
        everywhere(host_administrators=[person(keys=[KEY[:40]])]),
    ),
    row(
        "private key",
        "administrators consortium host_administrators[0].keys[0]",
        "private key",
        ".pub",
        everywhere(host_administrators=[person(keys=["-----BEGIN OPENSSH PRIVATE KEY-----"])]),
    ),
    row(
        "bad login",
        "administrators consortium host_administrators[1].name",
        "not a login name",
        "small letters",
        everywhere(host_administrators=[person(), person(name="Al ice")]),
    ),
    row(
        "root",
        "administrators consortium host_administrators[1].name",
        "root",
        "each person",
        everywhere(host_administrators=[person(), person(name="root")]),
    ),
    row(
        "twice",
        "administrators consortium host_administrators[1].name",
        "twice",
        "once",
        everywhere(host_administrators=[person(), person()]),
    ),
    row(
        "two hats",
        "administrators consortium host_administrators[1].name",
        "share",
        "another name",
        everywhere(host_administrators=[person(), person(name="holder1")]),
    ),
    row(
        "access has ended",
        "administrators consortium host_administrators[1].expires",
        "has ended",
        "a later day",
        everywhere(host_administrators=[person(), person(name="bob", expires="2020-01-31")]),
    ),
    row(
        "everybody's access ends",
        "administrators-end consortium host_administrators",
        "then nobody could log in",
        "without expires",
        everywhere(host_administrators=[person(expires="2099-01-31"), person(name="bob", expires="2098-01-31")]),
    ),
    row(
        "a way to root",
        "administrator-groups consortium host_administrators[0].groups",
        "leads to root past sudo",
        "adm or systemd-journal",
        everywhere(host_administrators=[person(groups=["adm", "docker"])]),
    ),
    row(
        "our own group",
        "administrator-groups consortium host_administrators[0].groups",
        "for the role to fill",
        "systemd-journal",
        everywhere(host_administrators=[person(groups=["quorum-su"])]),
    ),
    row(
        "no group",
        "administrator-groups consortium host_administrators[0].groups",
        "not the name of a group",
        "small letters",
        everywhere(host_administrators=[person(groups=["ad m"])]),
    ),
    row(
        "locks itself out",
        "own-user consortium ansible_user",
        "lock itself out",
        "ops",
        everywhere(ansible_user="debian"),
    ),
    row(
        "overlap",
        "segments consortium consortium_segments.privacy",
        "overlaps",
        "no address in common",
        everywhere(
            consortium_segments={
                **inventory()["jump"]["consortium_segments"],
                "secrets": {"cidrs": ["198.18.3.0/24", "198.18.2.128/25"]},
            }
        ),
    ),
    row(
        "missing",
        "segments consortium consortium_segments.secrets",
        "missing",
        "cidrs",
        everywhere(consortium_segments={"management": {"cidrs": ["198.18.0.0/24"]}}),
    ),
    row(
        "outside",
        "legs vault host_addresses.management",
        "outside its segment",
        "198.18.0.0/24",
        on("vault", host_addresses={"management": ["198.18.3.12"], "secrets": ["198.18.3.11"]}),
    ),
    row(
        "no leg",
        "legs vault host_addresses.secrets",
        "needs an address",
        "secrets",
        on("vault", host_addresses={"management": ["198.18.0.11"]}),
    ),
    row(
        "unknown leg",
        "legs jump host_addresses.mangement",
        "in no segment",
        "management",
        on("jump", host_addresses={"management": ["198.18.0.2"], "mangement": ["198.18.0.9"]}),
    ),
    row(
        "same address",
        "address-duplicate vault host_addresses.management",
        "is the address of database",
        "own address",
        on("vault", host_addresses={"management": ["198.18.0.12"], "secrets": ["198.18.3.11"]}),
    ),
    row(
        "member's address",
        "address-duplicate consortium consortium_members[globex].node.addresses",
        "address of validator1",
        "own address",
        register(lambda m: m[1]["nodes"][0].update(addresses=["198.18.1.21"])),
    ),
    row(
        "caller's address",
        "address-duplicate consortium consortium_clients[app].addresses",
        "address of validator1",
        "own address",
        everywhere(consortium_clients=[{"name": "app", "addresses": ["198.18.1.21"], "csr": CSR}]),
    ),
    row(
        "unlocked",
        "unlocked-accounts validator1 goquorum_extra_args",
        "--password, --unlock",
        "sign outside",
        on("validator1", goquorum_extra_args=["--unlock=0", "--password", "/x"]),
    ),
    row(
        "unlocked with one dash",
        "unlocked-accounts validator1 goquorum_extra_args",
        "--unlock",
        "outside the node",
        on("validator1", goquorum_extra_args=["-unlock", "0x1"]),
    ),
    row(
        "several words in one",
        "unlocked-accounts validator1 goquorum_extra_args",
        "more than one word",
        "one option or value",
        on("validator1", goquorum_extra_args=["--cache 512"]),
    ),
    row(
        "what the role decides",
        "unlocked-accounts validator1 goquorum_extra_args",
        "sets what the role decides (--http.api)",
        "own variable",
        on("validator1", goquorum_extra_args=["--http.api=admin"]),
    ),
    row(
        "unlocked text",
        "unlocked-accounts validator1 goquorum_extra_args",
        "unlocked account",
        "sign outside",
        on("validator1", goquorum_extra_args="--allow-insecure-unlock"),
    ),
    row(
        "undo too short", "range vault host_undo_seconds", "out of range", "20 to 600", on("vault", host_undo_seconds=5)
    ),
    row(
        "typo",
        "unknown vault host_admnistrators",
        "no variable of ours",
        "host_administrators",
        on("vault", host_admnistrators=[]),
    ),
    row(
        "invention", "unknown vault host_xyzzy_plugh", "no variable of ours", "nothing", on("vault", host_xyzzy_plugh=1)
    ),
]
