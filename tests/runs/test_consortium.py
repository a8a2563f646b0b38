# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole consortium: applied, audited, sabotaged and healed, as the report and the hosts themselves tell it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.driver import MANAGED, ROOT, VALIDATORS, Run, address, audited, broken, play, report, sh, statuses

CATALOG = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "catalog").glob("*.yml"))}
DONE = sorted(name for name, record in CATALOG.items() if record["implemented"])
DUTY = {host: "goquorum" if host in VALIDATORS else host for host in MANAGED}


def phase(name: str) -> dict[str, Any]:
    """What the report kept of one phase."""
    found: dict[str, Any] = json.loads((ROOT / f"build/report/{name}.json").read_text())
    return found


def applies(control: str) -> list[str]:
    """The managed hosts whose report has a row for a control that counts."""
    return [host for host in MANAGED if statuses().get((host, control), "not_applicable") != "not_applicable"]


@pytest.fixture(scope="module")
def second_run() -> Run:
    """One more `site` on hosts that are already hardened."""
    return play("site")


@pytest.fixture(scope="module")
def whole_report(second_run: Run) -> dict[str, Any]:
    """What the audit at the end of that run found; later runs are of fewer hosts."""
    assert second_run.rc == 0, second_run.out[-4000:]
    return report()


@pytest.fixture(scope="module")
def hardened(whole_report: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Statuses on the hardened hosts."""
    return statuses(whole_report)


@pytest.mark.parametrize("control", [pytest.param(c, marks=pytest.mark.evidence(c, "applied")) for c in DONE])
def test_applied(control: str, second_run: Run, hardened: dict[tuple[str, str], str]) -> None:
    assert second_run.rc == 0, second_run.out[-4000:]
    assert set(second_run.recap) >= set(MANAGED)
    assert second_run.total("changed") == 0, second_run.out[-6000:]
    mine = {host: status for (host, name), status in hardened.items() if name == control}
    assert mine, f"nothing in the report about {control}"
    # What the consortium attests has a row of its own; each host must pass.
    assert {s for (host, s) in mine.items() if host != "consortium" and s != "not_applicable"} <= {"pass"}, mine
    assert {s for s in mine.values() if s != "not_applicable"} <= {"pass", "attested"}, mine


# --- sabotage ---


@dataclass(frozen=True)
class Break:
    """One way to break a control on a live host."""

    name: str
    host: str
    script: str
    breaks: frozenset[str]


@dataclass
class Round:
    """Breaks that are done at the same time. Those on one host have no control in common: each answers for its own."""

    breaks: list[Break] = field(default_factory=list)
    newly: dict[str, set[str]] = field(default_factory=dict)
    rc: int = 0
    healed: set[tuple[str, str]] = field(default_factory=set)
    heal_log: str = ""

    def on(self, host: str) -> set[str]:
        """All controls that break on a host in this round."""
        return {control for one in self.breaks if one.host == host for control in one.breaks}


#: One break on a host at a time: slower, and also sees a break that hides behind another's controls.
ALONE = bool(os.environ.get("SABOTAGE_ALONE"))


def plan() -> list[Round]:
    """All sabotages of the catalogue in few rounds."""
    rounds: list[Round] = []
    for control in DONE:
        for entry in CATALOG[control]["sabotage"]:
            if entry["hosts"] == "vm":
                continue  # a container cannot carry it: tests/vm
            hosts = [host for host in MANAGED if DUTY[host] == entry["hosts"]]
            assert hosts, f"{entry['id']}: no host has the duty {entry['hosts']}"
            mine = frozenset(entry["breaks"])
            for number in range(len(rounds) + 1):
                if number == len(rounds):
                    rounds.append(Round())
                taken = {host: rounds[number].on(host) for host in hosts}
                free = [host for host in reversed(hosts) if not taken[host] & mine and not (ALONE and taken[host])]
                if free:
                    # On few validators: each that was broken is restarted when it heals, one after the other.
                    host = max(free, key=lambda name: len(rounds[number].on(name)))
                    rounds[number].breaks.append(Break(entry["id"], host, entry["script"], mine))
                    break
    return rounds


ROUNDS = plan()
BREAKS = [(number, one) for number, this in enumerate(ROUNDS) for one in this.breaks]


def marks(one: Break) -> list[Any]:
    """A sabotage is evidence for each control that it breaks, and that the audit can tell broken from whole."""
    return [pytest.mark.evidence(c, column) for c in sorted(one.breaks) for column in ("sabotaged", "audited")]


@pytest.fixture(scope="module")
def sabotage(hardened: dict[tuple[str, str], str]) -> list[Round]:
    """Break, audit, heal, audit: round after round; but for the first, on the broken hosts alone."""
    whole = {key for key, status in hardened.items() if status in ("fail", "error")}
    for number, this in enumerate(ROUNDS):
        hosts = sorted({one.host for one in this.breaks})
        for host in hosts:
            # While the watch takes in what the last run changed, its database is in the making, and rightly so.
            state = "systemctl show -p ActiveState quorum-aide.service"
            waited = f"timeout 240 sh -c 'until {state} | grep -q =inactive; do sleep 1; done'"
            assert sh(host, waited, timeout=260).ok, f"the watch of {host} does not end"
        for one in this.breaks:
            done = sh(one.host, one.script, timeout=120)
            assert done.ok, f"{one.name} on {one.host}: {done.out}{done.err}"
        seen = play("audit")
        this.rc = seen.rc
        now = broken(report()) - whole
        this.newly = {one.host: {c for h, c in now if h == one.host} for one in this.breaks}
        stray = {key for key in now if key[0] not in this.newly}
        assert not stray, f"broken where nobody broke anything: {stray}"
        healing = play("site", *(("--limit", ",".join(hosts)) if number else ()))
        this.heal_log = healing.out
        this.healed = broken(report()) - whole
    return ROUNDS


@pytest.mark.parametrize(("number", "one"), [pytest.param(n, o, id=o.name, marks=marks(o)) for n, o in BREAKS])
def test_sabotage_is_seen_exactly_and_healed(number: int, one: Break, sabotage: list[Round]) -> None:
    this = sabotage[number]
    assert one.breaks <= this.newly[one.host], f"{one.name} on {one.host}: the audit does not see all of it"
    assert this.newly[one.host] == this.on(one.host), f"on {one.host}, where {one.name} was one of the breaks"
    left = {key for key in this.healed if key[0] == one.host}
    assert not left, f"not healed: {left}\n{this.heal_log[-3000:]}"


def test_every_finished_control_is_sabotaged() -> None:
    assert {c for _n, one in BREAKS for c in one.breaks} >= set(DONE)


# --- audited ---


@pytest.mark.parametrize("control", [pytest.param(c, marks=pytest.mark.evidence(c, "audited")) for c in DONE])
def test_audited(control: str, whole_report: dict[str, Any]) -> None:
    """Fails on the virgin hosts or, where these cannot break it, on a broken one; passes with evidence after."""
    virgin = {h: s for (h, c), s in statuses(phase("before")).items() if c == control}
    failed_before = {host for host, status in virgin.items() if status == "fail"}
    sabotaged = any(control in one.breaks for _n, one in BREAKS)
    assert failed_before or sabotaged, f"nothing has ever made {control} fail"
    rows = [row for row in whole_report["results"] if row["control"] == control and row["status"] == "pass"]
    assert rows
    assert all(row["found"] and row["where"] for row in rows), "a pass without evidence"


# --- the service still does its job ---


def test_blocks_are_made_and_all_validators_agree() -> None:
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []})
    script = f"curl -sS -H 'Content-Type: application/json' -d '{call}' http://127.0.0.1:18545"

    def head(host: str) -> int:
        return int(json.loads(sh(host, script).out)["result"], 16)

    before = [head(host) for host in VALIDATORS]
    sh("validator1", "sleep 12", timeout=30)
    after = [head(host) for host in VALIDATORS]
    assert all(late > early for early, late in zip(before, after, strict=True)), (before, after)
    assert max(after) - min(after) <= 2, after


def test_no_secret_left_a_host() -> None:
    """The keys that were made on the hosts are in no file of the controller's: no log, report or register."""
    keys: list[str] = []
    for host in VALIDATORS:
        keys.append(sh(host, "cat /var/lib/goquorum/geth/nodekey").out.strip())
    for host in MANAGED:
        private = sh(
            host,
            "cat /etc/quorum.hardening/tls/*.key /etc/openbao/tls/*.key /etc/goquorum/tls/*.key 2>/dev/null",
        ).out
        keys += [line for line in private.splitlines() if line and not line.startswith("-----")]
    keys = [key for key in keys if len(key) >= 40]
    assert len(keys) >= len(VALIDATORS) + len(MANAGED)
    texts = [
        p
        for folder in ("build/runs", "build/report", "build/lab/inventory")
        for p in (ROOT / folder).rglob("*")
        if p.is_file()
    ]
    assert len(texts) > 5
    for path in texts:
        content = path.read_text(errors="replace")
        assert not any(key in content for key in keys), f"a key made on a host stands in {path}"


def test_a_caller_without_a_certificate_gets_no_answer() -> None:
    target = address("validator1", "ledger")
    assert Path(ROOT / "build/report/index.html").exists()
    done = sh("app", f"curl -sS -k -o /dev/null -w '%{{http_code}}' https://{target}:8545/")
    assert done.out.strip() in ("400", "000"), "a caller without a certificate got an answer"


def test_every_host_says_of_itself_what_the_controller_says() -> None:
    run = play("audit")
    assert run.recap, run.out[-2000:]
    told = statuses(report())
    probes = {(row["host"], row["control"]): row for row in report()["results"]}
    for host in MANAGED:
        own = audited(host)["controls"]
        # The report adds the inventory's findings and waivers to what the probes saw: those cells have another source.
        theirs = {
            control: told[host, control]
            for control in own
            if not probes[host, control]["waiver"]
            and not any(o["probe"].startswith(("preflight", "register")) for o in probes[host, control]["observations"])
        }
        assert {control: own[control] for control in theirs} == theirs, host
