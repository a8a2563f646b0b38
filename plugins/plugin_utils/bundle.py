# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program for hosts made of modules of ``module_utils``: one zip file, the same bytes whoever builds it."""

from __future__ import annotations

import io
import os
import re
import zipfile

from ansible_collections.quorum.hardening.plugins.plugin_utils.provenance import ROOT

PACKAGE = "ansible_collections.quorum.hardening.plugins.module_utils"
FOLDER = os.path.join(ROOT, "plugins", "module_utils")
MAIN = f"from {PACKAGE}.{{module}} import main\n\nraise SystemExit(main())\n"
#: The earliest day that a zip file can hold: the real one would make every build another.
EPOCH = (1980, 1, 1, 0, 0, 0)
_FROM_MODULE = re.compile(rf"^ *from (?:\.|{re.escape(PACKAGE)}\.)(\w+) import ", re.MULTILINE)
_FROM_PACKAGE = re.compile(rf"^ *from (?:\.|{re.escape(PACKAGE)}) import (\([^)]*\)|[^\n]*)", re.MULTILINE)


def imported(text: str) -> set[str]:
    """Names of the modules beside it that a module's text imports."""
    listed = ",".join(found.strip("()") for found in _FROM_PACKAGE.findall(text))
    return set(_FROM_MODULE.findall(text)) | {part.split()[0] for part in listed.split(",") if part.split()}


def sources(start: str, folder: str = FOLDER) -> dict[str, str]:
    """Text of a module and of all that it needs, by name. Raises OSError for one that is not there."""
    found: dict[str, str] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in found:
            with open(os.path.join(folder, f"{name}.py"), encoding="utf-8") as handle:
                found[name] = handle.read()
            waiting += sorted(imported(found[name]))
    return found


def bundle(start: str, folder: str = FOLDER) -> bytes:
    """A zip file that Python runs, which calls ``main()`` of the module ``start``.

    Stored and not deflated: another version of the compressor would give other bytes. It is packed on its way anyhow.
    """
    base = PACKAGE.replace(".", "/")
    parts = base.split("/")
    files = {"/".join([*parts[:depth], "__init__.py"]): "" for depth in range(1, len(parts) + 1)}
    files |= {f"{base}/{name}.py": text for name, text in sources(start, folder).items()}
    files["__main__.py"] = MAIN.format(module=start)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, files[name])
    return target.getvalue()
