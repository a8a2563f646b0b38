# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One-time codes: the standard's own values, each once, and the controller's answers to ssh."""

from __future__ import annotations

import base64
import os
import threading
from pathlib import Path

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import one_time_code
from ansible_collections.quorum.hardening.plugins.module_utils.one_time import (
    OPTIONS,
    Factor,
    Refusal,
    check,
    code,
    fresh,
    parse,
    render,
)

#: The secret of RFC 6238's table; of its eight digits the last six are ours.
SECRET = base64.b32encode(b"12345678901234567890").decode()
NOW = 1_700_000_010.0
STEP = int(NOW) // 30


@pytest.mark.parametrize(
    ("seconds", "digits"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_codes_of_the_standard(seconds: int, digits: str) -> None:
    assert code(SECRET, seconds // 30) == digits


def test_a_file_there_and_back() -> None:
    factor = fresh()
    assert parse(render(factor)) == factor
    assert len(factor.codes) == 5
    assert all(len(one) == 8 and one[0] != "0" for one in factor.codes)
    assert fresh().secret != factor.secret


@pytest.mark.parametrize("text", ["", "lower case\n", "SECRET1\n"])
def test_a_damaged_file(text: str) -> None:
    with pytest.raises(Refusal, match="damaged"):
        parse(text)


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_a_code_opens_once(offset: int) -> None:
    right, used = check(Factor(SECRET), code(SECRET, STEP + offset), NOW)
    assert right
    again, _after = check(used, code(SECRET, STEP + offset), NOW + 1)
    assert not again


@pytest.mark.parametrize("offset", [-2, 2])
def test_a_code_of_another_time_opens_nothing(offset: int) -> None:
    assert not check(Factor(SECRET), code(SECRET, STEP + offset), NOW)[0]


def test_a_recovery_code_opens_once() -> None:
    factor = Factor(SECRET, OPTIONS, ("12345678", "23456789"))
    right, after = check(factor, "1234 5678", NOW)
    assert right
    assert after.codes == ("23456789",)
    assert not check(after, "12345678", NOW)[0]


def test_tries_are_counted_where_the_pam_module_counts() -> None:
    factor = Factor(SECRET)
    for _try in range(3):
        right, factor = check(factor, "000000", NOW)
        assert not right
    assert factor.values("RATE_LIMIT") == [3, 30, int(NOW), int(NOW), int(NOW)]
    with pytest.raises(Refusal, match="wait"):
        check(factor, code(SECRET, STEP), NOW + 29)
    assert check(factor, code(SECRET, STEP + 1), NOW + 31)[0]


@pytest.mark.parametrize(
    ("now", "last", "step", "wait"),
    [
        (3000.0, 0, 99, 0.0),  # the step before is still taken
        (3019.9, 0, 99, 0.0),
        (3020.0, 0, 100, 0.0),  # too late for it
        (3005.0, 99, 100, 0.0),
        (3005.0, 100, 101, 26.0),  # both used: wait for the next, and a second for the clocks
        (3025.0, 102, 103, 66.0),
    ],
)
def test_next_step(now: float, last: int, step: int, wait: float) -> None:
    assert one_time_code.next_step(now, last) == (step, wait)


@pytest.fixture(name="folder")
def a_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "second_factor"
    folder.mkdir(mode=0o700)
    return folder


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


class Clock:
    """Time that passes only by waiting."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("text", [SECRET, SECRET.lower() + "\n", f"otpauth://totp/h:ops?secret={SECRET}&issuer=h\n"])
def test_answers_go_up_and_never_repeat(folder: Path, text: str) -> None:
    private(folder / "ops@vault", text)
    clock = Clock(3000.0)
    given = [one_time_code.answer(str(folder), "ops@vault", clock, clock.wait) for _try in range(4)]
    assert given == [code(SECRET, step) for step in (99, 100, 101, 102)]
    assert clock.now == 102 * 30 + 1
    assert (folder / ".ops@vault.used").stat().st_mode & 0o777 == 0o600


def test_answers_side_by_side_are_different(folder: Path) -> None:
    private(folder / "ops@vault", SECRET)
    given: list[str] = []
    clock = Clock(3000.0)

    def ask() -> None:
        given.append(one_time_code.answer(str(folder), "ops@vault", clock, clock.wait))

    threads = [threading.Thread(target=ask) for _try in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == sorted(code(SECRET, step) for step in range(99, 104))


def test_a_command_is_asked_for_the_present_code_alone(folder: Path) -> None:
    private(folder / "command", '#!/bin/sh\n[ "$1" = ops@vault ] && echo 123456\n', 0o700)
    clock = Clock(3000.0)
    assert one_time_code.answer(str(folder), "ops@vault", clock, clock.wait) == "123456"
    assert clock.now == 3001.0
    assert one_time_code.answer(str(folder), "ops@vault", clock, clock.wait) == "123456"
    assert clock.now == 3031.0
    with pytest.raises(one_time_code.Unanswered, match="no code for eve@vault"):
        one_time_code.answer(str(folder), "eve@vault", clock, clock.wait)


@pytest.mark.parametrize(
    ("name", "text", "mode", "words"),
    [
        ("ops@vault", SECRET, 0o640, "open to others"),
        ("ops@vault", "nothing that is base32!", 0o600, "holds no secret"),
        ("command", "#!/bin/sh\nexit 1\n", 0o755, "open to others"),
        ("other", "", 0o600, "neither ops@vault nor a command"),
    ],
)
def test_no_answer(folder: Path, name: str, text: str, mode: int, words: str) -> None:
    private(folder / name, text, mode)
    with pytest.raises(one_time_code.Unanswered, match=words):
        one_time_code.answer(str(folder), "ops@vault", Clock(3025.0), lambda _seconds: None)


@pytest.mark.parametrize(
    "question",
    [
        "ops@vault's password: ",
        "Enter passphrase for key '/k': ",
        "(ops@vault) Password: ",
        "(a/../b@h) Verification code: ",
    ],
)
def test_other_questions_are_not_answered(question: str) -> None:
    with pytest.raises(one_time_code.Unanswered, match="no question for a one-time code"):
        one_time_code.login_of(question)


def test_as_ssh_calls_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    private(folder / "ops@198.18.0.11", SECRET)
    given = {"QUORUM_SECOND_FACTOR": str(folder)}
    assert one_time_code.main(["(ops@198.18.0.11) Verification code: "], given) == 0
    assert capsys.readouterr().out.strip().isdigit()
    assert one_time_code.main(["Password: "], given) == 1
    assert "no question" in capsys.readouterr().err


def test_where_the_folder_is(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "quorum.hardening" / "second_factor"
    home.mkdir(parents=True, mode=0o700)
    assert one_time_code.folder_of({"XDG_CONFIG_HOME": str(tmp_path)}) == str(home)
    with pytest.raises(one_time_code.Unanswered, match="not there"):
        one_time_code.folder_of({"QUORUM_SECOND_FACTOR": str(tmp_path / "nowhere")})
    folder.chmod(0o750)
    with pytest.raises(one_time_code.Unanswered, match="open to others"):
        one_time_code.folder_of({"QUORUM_SECOND_FACTOR": str(folder)})
    assert os.geteuid() == folder.stat().st_uid
