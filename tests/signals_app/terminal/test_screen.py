"""What is printed, wherever it goes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from signals_app.models import State
from tests.cluster import ROOT
from tests.signals_app.admin.rows import delivery
from tests.signals_app.terminal.commands import MANAGE, at_a_terminal, environment, piped, user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


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
    assert shown[:3] == [f"#{row.pk}", "  state       SUCCESSFUL", "  queue       sigdemo"]
    assert f"#{row.pk}" in at_a_terminal("list", COLUMNS="80").splitlines()[1]
    assert f"#{row.pk}" in piped("list", COLUMNS="40").stdout.splitlines()[1]
