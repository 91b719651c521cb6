"""What is printed, wherever it goes."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from signals_app import ledger
from signals_app.models import PauseKind, State
from tests.cluster import ROOT
from tests.signals_app.console.admin.rows import attempt, delivery
from tests.signals_app.console.terminal.commands import MANAGE, at_a_terminal, environment, piped, told, user

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_a_locale_cannot_write_is_no_obstacle() -> None:
    delivery(State.SUCCESSFUL, receiver="büro.drucken")
    ended = piped("list", PYTHONIOENCODING="ascii")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "b\\xfcro.drucken" in ended.stdout
    assert "2.00 s" in ended.stdout


def test_whoever_reads_along_may_go() -> None:
    delivery()
    with subprocess.Popen(
        [*MANAGE, "list"], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_a_database_that_is_away_is_one_sentence() -> None:
    ended = piped("list", DATABASE_URL="postgres://nobody@127.0.0.1:1/nothing")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("CommandError: The database does not answer as it should: ")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_question_is_not_in_what_is_printed(answer: str, tmp_path: Path) -> None:
    row, by, printed = delivery(), user("ada", "cancel_delivery"), tmp_path / "printed"
    with printed.open("w") as out:
        shown = at_a_terminal("cancel", str(row.pk), "--json", "--as", by, answer=f"{answer}\n", out=out)
    assert "Go on? [y/N] " in shown
    if answer == "y":
        assert json.loads(printed.read_text())["changed"] == [row.pk]
    else:
        assert shown.endswith("Nothing was changed.\n")
        assert printed.read_text() == ""


def test_a_table_that_is_much_wider_than_the_terminal_has_a_line_for_each_cell() -> None:
    row = delivery(State.SUCCESSFUL)
    shown = at_a_terminal("list", COLUMNS="40").splitlines()
    assert shown[:3] == [f"#{row.pk}", "  state     successful", "  queue     sigdemo"]
    assert f"#{row.pk}" in at_a_terminal("list", COLUMNS="80").splitlines()[1]
    assert f"#{row.pk}" in piped("list", COLUMNS="40").stdout.splitlines()[1]


FORGED = "x\n#777  FAILED  pay\r\x1b[2J\u202e\u2028#888  FAILED  pay\x85#999"


def test_no_name_can_pass_for_a_row() -> None:
    payload = '{"arguments":{"name":"\x1b[2J\\u009b31m"}}'
    names = dict.fromkeys(("receiver", "queue", "signal", "sender", "sent_by", "sent_from", "owner"), FORGED)
    row = delivery(State.FAILED, payload=payload, **names)
    attempt(row, message=f"Of the same emission: {FORGED}", error_class=FORGED, owner=FORGED, traceback=FORGED)
    delivery(State.RUNNING, receiver=FORGED, queue=FORGED, started_at=timezone.now(), owner=FORGED)
    delivery(receiver=FORGED, queue=FORGED, emission=row.emission, signal=FORGED)
    ledger.pause(PauseKind.QUEUE, FORGED, by=FORGED)
    ledger.pause(PauseKind.RECEIVER, FORGED, by=FORGED)
    ledger.keep_stat("forged", "package", queue=FORGED, host=FORGED, seconds=60)
    for args in (("list",), ("show", row.pk), ("status",)):
        shown = told(*args)
        assert FORGED.encode("unicode_escape").decode() in shown, args
        assert not [line for line in shown.splitlines() if line.startswith(("#777", "#888", "#999"))]
        assert not set(shown) & {"\x1b", "\x9b", "\r", "\u202e"}
        json.loads(told(*args, "--json"))
    out = io.StringIO()
    call_command("signals", stdout=out)
    assert f"  queued  {FORGED.encode('unicode_escape').decode()}" in out.getvalue()
    assert not [line for line in out.getvalue().splitlines() if line.startswith("#")]


def test_no_text_of_an_attempt_can_pass_for_another_line() -> None:
    row = delivery(State.FAILED, payload="{broken\n\nAttempt 7: SUCCESSFUL")
    attempt(row, message="Attempt 8: SUCCESSFUL\nAttempt 9: SUCCESSFUL", traceback="Attempt 10: x")
    attempts = [line for line in told("show", row.pk).splitlines() if line.startswith("Attempt")]
    assert attempts == ["Attempt 1: ERROR builtins.ValueError (worker-3.example.org, pid 4711)"]


@pytest.mark.database
@pytest.mark.parametrize(
    "args",
    [("list", "--receiver", "\udcff"), ("list", "--search", "\udcff"), ("cancel", "--all", "--as", "\udcff", "--yes")],
)
def test_bytes_that_are_no_text_are_refused(args: tuple[str, ...]) -> None:
    delivery()
    with pytest.raises(CommandError, match=r"^'.*udcff.*' is not UTF-8, so no name in the database is like it\.$"):
        told(*args)
