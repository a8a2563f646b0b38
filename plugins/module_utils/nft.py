# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter's one table: read it, check a text for it, compare the two by meaning, swap it.

A text is never compared with what the kernel lists: nft rewrites it (names, order, defaults). The wanted text is loaded
into a network namespace of its own first and listed there, so that like is compared with like.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import first_process

FAMILY = "inet"
NAME = "quorum_hardening"
TABLE = f"{FAMILY} {NAME}"

#: How nft, in any locale, says that a table is not there.
ABSENT = "Error: No such file or directory"
# Creating it first makes the deletion good on a host that has no such table; both happen in one transaction.
FRESH = f"table {TABLE}\ndelete table {TABLE}\n"

# Not part of a ruleset's meaning: numbers the kernel gives out, counts, and time that has run.
VOLATILE = {"handle", "packets", "bytes", "expires", "metainfo"}

Runner = Callable[[list[str], str], "tuple[int, str, str]"]
"""Runs an argument list with a text on standard input; gives exit status, standard output, standard error."""


class NftError(Exception):
    """A text that is refused, or a command of nft that failed; the message says why."""


def run_command(argv: list[str], text: str) -> tuple[int, str, str]:
    """Run ``argv`` for at most 30 s. Never raises: what could not be started is status 127."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            argv, check=False, input=text, env=environment, capture_output=True, timeout=30, encoding="utf-8"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, "", str(error)
    return done.returncode, done.stdout, done.stderr


@dataclass(frozen=True)
class Listing:
    """A table as nft lists it: ``rules`` by meaning, comparable with ``==``; ``text`` for people, without state."""

    rules: dict[str, Any]
    text: str


def statements(text: str) -> list[str]:
    """The statements at the outermost level of a ruleset, without comments; what stands in braces is cut to ``{}``.

    Raises NftError on braces or quotes that do not match.
    """
    found: list[str] = []
    current: list[str] = []
    depth = 0
    token = re.compile(r'"[^"\n]*"|#[^\n]*|\\\n|[{};\n"]|[^{};\n"#\\]+|\\')
    for part in token.findall(text):
        if part.startswith("#"):
            continue
        if part == '"':
            raise NftError("a quote in the ruleset is not closed")
        if part == "{":
            depth += 1
            continue
        if part == "}":
            depth -= 1
            if depth < 0:
                raise NftError("a closing brace in the ruleset has no opening one")
        if depth == 0 and part in {";", "\n", "}"}:
            current.append(" {}" if part == "}" else "")
            found.append(" ".join("".join(current).split()))
            current = []
        elif depth == 0:
            current.append(" " if part == "\\\n" else part)
    if depth:
        raise NftError("a brace in the ruleset is not closed")
    found.append(" ".join("".join(current).split()))
    return [statement for statement in found if statement]


def _included(text: str) -> bool:
    """Whether another file is drawn in, which nft allows inside a table too."""
    bare = re.sub(r'"[^"\n]*"|#[^\n]*', "", text)
    return re.search(r"(?m)(^|[;{}])\s*include\b", bare) is not None


def prepared(text: str) -> str:
    """The text as it is persisted and loaded: it replaces our table in one transaction and touches no other.

    Raises NftError where it holds anything but our table (another table, ``flush ruleset``, an include).
    """
    allowed = re.compile(rf"((add|delete|flush) )?table {TABLE}( {{}})?|define \w+ ?=.*")
    seen = statements(text)
    if _included(text):
        raise NftError("the ruleset may not include other files")
    for statement in seen:
        if not allowed.fullmatch(statement):
            raise NftError(f"the ruleset may hold nothing but the table {TABLE}: {statement!r} is refused")
    if f"table {TABLE} {{}}" not in seen:
        raise NftError(f"the ruleset does not define the table {TABLE}")
    body = text if text.endswith("\n") else text + "\n"
    return body if f"delete table {TABLE}" in seen else FRESH + body


def _plain(value: Any) -> Any:
    """The value without what changes by itself, and sets in one order."""
    if isinstance(value, dict):
        plain = {key: _plain(item) for key, item in value.items() if key not in VOLATILE}
        for key in ("set", "elem", "flags"):
            if isinstance(plain.get(key), list):
                plain[key] = sorted(plain[key], key=lambda item: json.dumps(item, sort_keys=True))
        return plain
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _fed(value: Any) -> set[str]:
    """Names of the sets that rules add to. Needed because nft 1.0.6 leaves the flag ``dynamic`` out of its JSON."""
    if isinstance(value, list):
        return set().union(*map(_fed, value))
    if isinstance(value, str):  # a statement it cannot put into JSON at all
        return set(re.findall(r"^(?:add|update) @(\w+)", value))
    if not isinstance(value, dict):
        return set()
    name = value.get("set", value.get("map"))
    own = {name[1:]} if "op" in value and isinstance(name, str) else set()
    return own.union(*map(_fed, value.values()))


def meaning(listing: str) -> dict[str, Any]:
    """The meaning of ``nft -j list`` output: object key -> object, and for each chain its rules in order.

    Elements that packets add, or that time takes away, are left out. Raises NftError on what is no such output.
    """
    try:
        rows = json.loads(listing)["nftables"]
    except (ValueError, KeyError, TypeError) as error:
        raise NftError(f"nft gave no listing in JSON: {error}") from error
    result: dict[str, Any] = {}
    fed = _fed(rows)
    for row in rows:
        ((kind, content),) = row.items()
        if kind == "metainfo":
            continue
        if kind == "table":
            result[f"table {content['family']} {content['name']}"] = _plain(content)
            continue
        place = f"{content['family']} {content['table']}"
        if kind == "rule":
            rule = _plain({key: content[key] for key in content if key not in {"family", "table", "chain"}})
            result.setdefault(f"rules {place} {content['chain']}", []).append(rule)
            continue
        passing = any(word in content.get("flags", []) for word in ("dynamic", "timeout"))
        filled = content["name"] in fed or "timeout" in content or passing
        kept = {key: content[key] for key in content if not (filled and key == "elem")}
        result[f"{kind} {place} {content['name']}"] = _plain(kept)
    return result


def readable(text: str) -> str:
    """``nft -s list`` output without the elements of dynamic sets, which would make a diff of their own."""
    result: list[str] = []
    for block in re.split(r"(?m)(?=^\t(?:set|map|chain) )", text):
        dynamic = re.search(r"(?m)^\t\t(flags [\w,]*(dynamic|timeout)|timeout )", block)
        result.append(re.sub(r"(?s)\t\telements = \{.*?\}\n", "", block) if dynamic else block)
    return "".join(result)


def live(run: Runner = run_command, spelled: bool = True) -> Listing | None:
    """Our table as the kernel has it, or None where there is none. Raises NftError where nft cannot be asked.

    Where it is not to be ``spelled``, the text for people is left out, and with it one call of nft.
    """
    outputs = []
    for option in ("-j", "-s") if spelled else ("-j",):
        status, output, problem = run(["nft", option, "list", "table", FAMILY, NAME], "")
        if status == 1 and ABSENT in problem:
            return None
        if status != 0:
            raise NftError(f"the table {TABLE} cannot be listed: {problem.strip()}")
        outputs.append(output)
    return Listing(meaning(outputs[0]), readable("".join(outputs[1:])))


def saved(run: Runner = run_command) -> str:
    """A text that brings the table back to what it is now, or to absence."""
    before = live(run)
    return FRESH + (before.text if before else "")


def wanted(text: str, run: Runner = run_command, spelled: bool = True) -> Listing:
    """What the prepared ``text`` means, found by loading it into an empty network namespace.

    ``spelled`` as for :func:`live`.

    Raises NftError with nft's own message where it refuses the text, or where the text makes any other table.
    """
    script = "nft -f - && nft -j list ruleset" + (" && printf '\\0' && nft -s list ruleset" if spelled else "")
    status, output, problem = run(first_process.through(["unshare", "--net", "sh", "-c", script]), text)
    if status != 0:
        raise NftError(f"nft refuses the ruleset: {problem.strip()}")
    listing, _separator, readable_text = output.partition("\0")
    rules = meaning(listing)
    foreign = [key for key in rules if key.startswith("table ") and key != f"table {TABLE}"]
    if foreign:
        raise NftError(f"the ruleset may hold nothing but the table {TABLE}: it makes {', '.join(foreign)}")
    return Listing(rules, readable(readable_text))


def load(text: str, run: Runner = run_command, check: bool = False) -> None:
    """Load ``text`` in one transaction, or only ``check`` it on this host. Raises NftError; then nothing changed."""
    status, _output, problem = run(["nft", *(["-c"] if check else []), "-f", "-"], text)
    if status != 0:
        raise NftError(f"nft refuses the ruleset: {problem.strip()}")


def served(text: str) -> list[int]:
    """TCP ports that the input rules of a text open, sorted."""
    rules = text.partition("chain input {")[2].partition("chain forward {")[0]
    return sorted({int(port) for port in re.findall(r"\btcp dport (\d+)\b", rules)})


def adopt(text: str, run: Runner = run_command) -> None:
    """Let connections to the ports of ``text`` go on that began before there was a table, this very session among them.

    The kernel knows of them only from the next packet on, whoever sends it; the ports are forgotten after two minutes.
    Raises NftError.
    """
    ports = ", ".join(f"{port} timeout 2m" for port in served(text))
    if ports and "set adopting " in text:
        load(f"add element {TABLE} adopting {{ {ports} }}\n", run)
