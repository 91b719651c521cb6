"""``deliveries retry | cancel | move | run-now | reassign``."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError
from django.test import modify_settings
from django.utils import timezone

from signals_app.console.terminal import SUBCOMMANDS
from signals_app.models import Delivery, State
from tests.signals_app.console.admin.rows import delivery
from tests.signals_app.console.terminal.commands import at_a_terminal, piped, read, told, user
from tests.testapp.receivers import nothing

pytestmark = [pytest.mark.django_db, pytest.mark.database]

EVERYTHING = ("retry", "cancel", "move", "run_now", "reassign")


def ada() -> str:
    return user("ada", *(f"{name}_delivery" for name in EVERYTHING))


def state_of(row: Delivery) -> str:
    row.refresh_from_db()
    return row.state


def test_named_deliveries_are_changed_and_who_did_it_is_remembered() -> None:
    failed, ready = delivery(State.FAILED), delivery()
    assert told("retry", f"#{failed.pk}", ready.pk, "--yes", "--as", ada()) == (
        "1 delivery is ready again.\n1 delivery was neither failed nor cancelled and was left as it is.\n"
    )
    assert state_of(failed) == State.READY
    entry = LogEntry.objects.get()
    assert (entry.user.get_username(), entry.object_id) == ("ada", str(failed.pk))


def test_a_filter_changes_what_matches_and_a_limit_the_oldest_of_it() -> None:
    rows = [delivery(queue="mail") for _ in range(3)]
    other = delivery()
    assert told("cancel", "--queue", "mail", "--limit", 2, "--yes", "--as", ada()) == "2 deliveries were cancelled.\n"
    assert [state_of(row) for row in [*rows, other]] == ["CANCELLED", "CANCELLED", "READY", "READY"]


def test_what_needs_a_target_takes_it() -> None:
    later = delivery(due_at=timezone.now().replace(year=2999))
    lost = delivery(unroutable=True, receiver="gone")
    by = ("--yes", "--as", ada())
    assert told("run-now", later.pk, *by) == "1 delivery is due now.\n"
    assert told("move", later.pk, "--to", "elsewhere", *by) == "1 delivery is in the queue elsewhere now.\n"
    assert told("reassign", "--receiver", "gone", "--to", nothing.key, *by) == (
        "1 delivery waits for tests.testapp.receivers.nothing now.\n"
    )
    lost.refresh_from_db()
    assert lost.receiver == nothing.key


def test_a_dry_run_counts_and_changes_nothing() -> None:
    row = delivery(State.FAILED)
    delivery()
    assert told("retry", "--all", "--dry-run") == "Retry: 1 delivery. Nothing was changed.\n"
    assert read("retry", "--all", "--dry-run") == {"operation": "retry", "dry_run": True, "matching": 1}
    assert state_of(row) == State.FAILED


def test_json_has_the_ids_that_changed() -> None:
    row, done = delivery(), delivery(State.SUCCESSFUL)
    assert read("cancel", row.pk, done.pk, "--yes", "--as", ada()) == {
        "operation": "cancel",
        "dry_run": False,
        "changed": [row.pk],
        "refused": 1,
    }


def test_nothing_chosen_is_not_everything() -> None:
    row = delivery()
    with pytest.raises(CommandError, match=r"^Name deliveries, give a filter, or say --all\.$"):
        told("cancel", "--yes", "--as", ada())
    assert state_of(row) == State.READY


def test_a_delivery_that_does_not_exist_stops_it_all() -> None:
    row = delivery()
    with pytest.raises(CommandError, match=r"^There is no delivery #998, #999\. Nothing was changed\.$"):
        told("cancel", row.pk, 999, 998, "--yes", "--as", ada())
    assert state_of(row) == State.READY


def test_every_change_has_an_author_who_may_do_it() -> None:
    row = delivery()
    with pytest.raises(CommandError, match=r"^Say who does it with --as USER"):
        told("cancel", row.pk, "--yes")
    with pytest.raises(CommandError, match=r"^There is no user 'nobody'\.$"):
        told("cancel", row.pk, "--yes", "--as", "nobody")
    reader = user("reader", "view_delivery")
    with pytest.raises(CommandError, match=r"^reader may not do that: it takes the permission signals_app.cancel_"):
        told("cancel", row.pk, "--yes", "--as", reader)
    User.objects.filter(username=ada()).update(is_active=False)
    with pytest.raises(CommandError, match=r"^ada may not do that"):
        told("cancel", row.pk, "--yes", "--as", "ada")
    assert state_of(row) == State.READY


def test_without_the_admin_nobody_need_be_named() -> None:
    row = delivery()
    with modify_settings(INSTALLED_APPS={"remove": ["sigdemo.apps.SiteAdminConfig"]}):
        assert told("cancel", row.pk, "--yes") == "1 delivery was cancelled.\n"


def test_a_name_that_nobody_knows_is_refused() -> None:
    with pytest.raises(CommandError, match=r"^There is no queue 'elsewere'"):
        told("move", "--all", "--to", "elsewere", "--yes", "--as", ada())


@pytest.mark.parametrize("name", [name for name in SUBCOMMANDS if name in {"retry", "cancel", "run-now"}])
def test_where_nobody_can_be_asked_yes_has_to_be_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = delivery(State.FAILED if name == "retry" else State.READY, due_at=timezone.now().replace(year=2999))
    before = row.state, row.due_at
    with pytest.raises(CommandError, match=r"^Nobody can be asked here. Say --yes to do it, or --dry-run to see"):
        told(name, row.pk, "--as", ada())
    row.refresh_from_db()
    assert (row.state, row.due_at) == before


@pytest.mark.django_db(transaction=True)
def test_at_a_terminal_the_operator_is_asked() -> None:
    row, by = delivery(), ada()
    shown = at_a_terminal("cancel", str(row.pk), "--as", by, answer="n\n")
    assert "Cancel: 1 delivery. Go on? [y/N] " in shown
    assert shown.endswith("Nothing was changed.\n")
    assert state_of(row) == State.READY
    assert at_a_terminal("cancel", str(row.pk), "--as", by, answer="y\n").endswith("1 delivery was cancelled.\n")
    assert state_of(row) == State.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_a_refusal_is_one_sentence_and_an_exit_status() -> None:
    ended = piped("cancel", "--all")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("CommandError: Say who does it with --as USER")
    assert "Traceback" not in ended.stderr
