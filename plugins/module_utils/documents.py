# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attested documents, read: whether each names what its control asks for, and nothing in it was left to be filled in.

What a document must name is a list of topics in the control's record of the catalogue. Whether what it says of them is
good is for the people to judge who sign it; whether it says anything is not.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.quorum.hardening.plugins.module_utils.entities import CONSORTIUM
from ansible_collections.quorum.hardening.plugins.module_utils.rules import Case, Fault, Rule

#: Fewer words than these below a heading say nothing.
LEAST_WORDS = 5
#: Larger files are no text that a person has signed (bytes).
LARGEST = 1024 * 1024

_VARIABLE = re.compile(r"^consortium_attestations\[(\d+)\]\.document$")
_URL = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t#]*$")
#: What a template leaves open, and how people mark what is missing. Capitals only: "todo" is a word of some languages.
_OPEN = re.compile(r"<fill in\b[^>\n]*>|\b(?:TODO|TBD|FIXME)\b")


class Topic(NamedTuple):
    """What a document must have a section on: its name, and words of which one stands in the section's heading."""

    name: str
    words: tuple[str, ...]


class Reading(NamedTuple):
    """A document as it was found: its text, or why there is none."""

    text: str = ""
    problem: str = ""


def is_url(document: str) -> bool:
    """Whether a document is named by a URL, which nobody fetches, and not by a path."""
    return _URL.match(document) is not None


def topics(record: Mapping[str, Any]) -> tuple[Topic, ...]:
    """What a record of the catalogue asks its document to name."""
    rows: Sequence[Mapping[str, Any]] = (record.get("document") or {}).get("topics") or ()
    return tuple(Topic(str(row["name"]), tuple(map(str, row.get("words") or [row["name"]]))) for row in rows)


def missing(text: str, wanted: Sequence[Topic]) -> list[str]:
    """Names of the topics that no section of a Markdown text is about; a heading without a text below it is none."""
    told = [title.casefold() for title, words in _sections(_plain(text)) if words >= LEAST_WORDS]
    return [topic.name for topic in wanted if not any(w.casefold() in title for w in topic.words for title in told)]


def left_open(text: str) -> list[str]:
    """Places that nobody has filled in: the number of the line, and the mark that stands there."""
    rows = enumerate(_plain(text).splitlines(), 1)
    return [f"line {number}: {match[0]}" for number, line in rows for match in _OPEN.finditer(line)]


def _plain(text: str) -> str:
    """The text without comments, with the same lines."""
    return _COMMENT.sub(lambda match: "\n" * match[0].count("\n"), text)


def _sections(text: str) -> Iterator[tuple[str, int]]:
    """Title of each section, and the words below it, those of its own subsections included."""
    titles: list[tuple[int, str, int]] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        match = _HEADING.match(line)
        if match:
            titles.append((len(match[1]), match[2], number))
    for place, (level, title, number) in enumerate(titles):
        end = next((n for other, _title, n in titles[place + 1 :] if other <= level), len(lines))
        below = [line for line in lines[number + 1 : end] if not _HEADING.match(line)]
        yield title, len(re.findall(r"\w+", " ".join(below)))


def documents(case: Case) -> Iterator[Fault]:
    """Attested documents: there, readable, complete, and about what their control asks for."""
    for number, promise in enumerate(case.c.attestations):
        reading = case.documents.get(promise.document)
        if reading is None:  # at a URL, or nobody has looked
            continue
        fault = functools.partial(_fault, f"consortium_attestations[{number}].document", promise.document)
        if reading.problem:
            advice = "the path of a Markdown or plain text, seen from the inventory's directory, or a URL"
            yield fault(reading.problem, advice)
            continue
        gaps = missing(reading.text, case.topics.get(promise.control, ()))
        if gaps:
            problem = f"has no section that says anything on {', '.join(gaps)}"
            advice = f"a heading that names each, and the text below it; see docs/templates/{promise.control}.md"
            yield fault(problem, advice)
        places = left_open(reading.text)
        if places:
            shown = "; ".join(places[:3]) + ("; ..." if len(places) > 3 else "")
            problem = f"has {len(places)} place(s) that nobody has filled in ({shown})"
            yield fault(problem, "the text itself in each of them")


def _fault(path: str, document: str, problem: str, advice: str) -> Fault:
    return CONSORTIUM, path, document, problem, advice


def controls_of(case: Case, variable: str) -> tuple[str, ...]:
    """The control that a finding about an attested document is about; none for any other variable."""
    match = _VARIABLE.match(variable)
    return (case.c.attestations[int(match[1])].control,) if match else ()


RULES = (Rule("document", (), documents),)
