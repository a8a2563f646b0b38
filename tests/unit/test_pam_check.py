# SPDX-License-Identifier: GPL-3.0-or-later
"""The checker of PAM's files: a slip that would shut out everybody is found before it lands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import pam_check
from ansible_collections.quorum.hardening.plugins.module_utils.pam_check import Checker, parse
from ansible_collections.quorum.hardening.plugins.module_utils.validators import VALIDATORS

ROLE = Path(__file__).resolve().parents[2] / "roles/host/overlay/etc/pam.d"
MODULES = {f"pam_{name}.so" for name in ("unix", "deny", "permit", "faillock", "limits")}
SOUND = {
    "common-auth": "# ours\nauth required pam_faillock.so preauth\nauth [success=1 default=ignore] \\\n pam_unix.so\n"
    "auth [default=die] pam_faillock.so authfail\nauth required pam_faillock.so authsucc\n",
    "sudo": "session required pam_limits.so\n@include common-auth\n-session optional pam_nowhere.so\n",
    "broken-before": "auth required pam_gone.so\n@include nobody\n",
}


def problems(changed: str = "common-auth", **files: str) -> list[str]:
    merged = {**SOUND, **{name.replace("_", "-"): text for name, text in files.items()}}
    return Checker(merged, MODULES).problems([changed])


def test_what_is_sound_passes_and_what_was_broken_before_is_not_ours() -> None:
    assert problems() == []
    assert problems("sudo") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("auht required pam_unix.so\n", "'auht required pam_unix.so' is no line of PAM"),
        ("auth requierd pam_unix.so\n", "'requierd' is no control"),
        ("auth [success=jump] pam_unix.so\n", "'success=jump' in [success=jump] is no value and action"),
        ("auth [=1] pam_unix.so\n", "'=1' in [=1] is no value and action"),
        ("auth required pam_unx.so\n", "the module pam_unx.so is not found"),
        ("auth [success=1 default=ignore] pam_unix.so\n", "leads past the end"),
        ("auth include nowhere\n", "include nowhere: not found"),
        ("@include nowhere\n", "includes nowhere, which is not there"),
        ("@include common-auth\n", "again and again"),
    ],
)
def test_a_slip_is_named(text: str, said: str) -> None:
    assert any(said in problem for problem in problems(common_auth=text))


def test_a_jump_is_judged_with_what_follows_in_the_service() -> None:
    text = "auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so\n"
    found = problems(common_auth=text, sudo="@include common-auth\nauth required pam_permit.so\n")
    assert found == ["common-auth: auth [success=1 default=ignore] pam_unix.so leads past the end"]


def test_a_file_that_others_include_is_missed_when_it_goes() -> None:
    files = {name: text for name, text in SOUND.items() if name != "common-auth"}
    assert Checker(files, MODULES).problems(["common-auth"]) == [
        "sudo: includes common-auth, which is not there",
    ]
    assert Checker({"sudo": "auth include sudo2\n", "sudo2": ""}, MODULES).problems(["sudo"]) == []


def test_a_module_by_its_path() -> None:
    assert Checker({"x": "auth required /lib/security/pam_x.so"}, {"/lib/security/pam_x.so"}).problems(["x"]) == []
    step, problem = parse("x", "-auth optional pam_y.so a=b")
    assert step is not None
    assert (step.optional, step.module, problem) == (True, "pam_y.so", "")


def test_the_program_reads_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, modules = tmp_path / "pam.d", tmp_path / "lib/x/security"
    folder.mkdir()
    modules.mkdir(parents=True)
    (modules / "pam_unix.so").touch()
    (folder / "su").write_text("auth required pam_unix.so\n")
    (folder / "su.dpkg-dist").write_text("rubbish\n")
    (folder / "sub").mkdir()
    monkeypatch.setattr(pam_check, "FOLDER", str(folder))
    monkeypatch.setattr(pam_check, "PLACES", (str(tmp_path / "lib/*/security"),))
    assert pam_check.main(["/etc/pam.d/su"]) == 0
    (folder / "su").write_text("auth required pam_unx.so\n")
    assert pam_check.main(["/etc/pam.d/su"]) == 1
    assert capsys.readouterr().err == "su: the module pam_unx.so is not found\n"


def test_the_validator_runs_its_own_text() -> None:
    arguments = VALIDATORS["pam"].command(["/etc/pam.d/su"], ["/etc/pam.d/gone"])
    assert arguments[-2:] == ["/etc/pam.d/su", "/etc/pam.d/gone"]
    done = subprocess.run(
        [sys.executable, "-I", "-c", "compile(__import__('sys').argv[1], 'x', 'exec')", arguments[2]], check=False
    )
    assert done.returncode == 0


def test_the_role_s_own_files_are_sound() -> None:
    files = {path.name: path.read_text() for path in ROLE.iterdir() if path.suffix != ".j2"}
    used = {word for text in files.values() for line in pam_check.lines(text) for word in line.split() if ".so" in word}
    assert Checker(files, used).problems(sorted(files)) == []
