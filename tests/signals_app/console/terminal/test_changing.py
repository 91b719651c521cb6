"""``deliveries retry | cancel | move | run-now | reassign | pause | resume | prune``."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError
from django.test import modify_settings
from django.utils import timezone

from signals_app import ledger
from signals_app.models import Delivery, PauseKind, State
from signals_app.worker import pruning
from tests.signals_app.console.admin.rows import delivery
from tests.signals_app.console.terminal.commands import at_a_terminal, read, told, user
from tests.testapp.receivers import nothing

pytestmark = pytest.mark.django_db

EVERYTHING = ("retry", "cancel", "move", "run_now", "reassign", "free", "pause")


def ada() -> str:
    return user("ada", *(f"{name}_delivery" for name in EVERYTHING))


def state_of(row: Delivery) -> str:
    row.refresh_from_db()
    return row.state


def test_named_deliveries_are_changed_and_who_did_it_is_remembered() -> None:
    failed, ready = delivery(State.FAILED), delivery()
    assert told("retry", f"#{failed.pk}", ready.pk, "--yes", "--as", ada()) == (
        "1 delivery is ready again.\n1 delivery was left as it is: only failed and cancelled ones can be retried.\n"
    )
    assert state_of(failed) == State.READY
    entry = LogEntry.objects.get()
    assert (entry.user.get_username(), entry.object_id) == ("ada", str(failed.pk))

    done = delivery(State.SUCCESSFUL)
    assert read("cancel", ready.pk, done.pk, "--yes", "--as", "ada") == {
        "operation": "cancel",
        "dry_run": False,
        "changed": [ready.pk],
        "refused": 1,
    }


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
    assert told("pause", "queue", "elsewhere", "--dry-run") == (
        "The queue elsewhere would be paused. Nothing was changed.\n"
    )
    assert ledger.pauses() == []


@pytest.mark.parametrize(
    ("args", "refusal"),
    [
        ("cancel --yes --as ada", r"^Give delivery ids or a filter, or use --all\.$"),
        ("cancel 999 998 --yes --as ada", r"^There is no delivery #998, #999\. Nothing was changed\.$"),
        ("move --all --to elsewere --yes --as ada", r"^There is no queue 'elsewere'"),
        ("pause queue elsewere --yes --as ada", r"^There is no queue 'elsewere'"),
        ("pause schedule nightly --yes --as ada", r"^There is no schedule 'nightly'"),
        ("cancel --all --as ada", r"^Not a terminal. Say --yes to do it, or --dry-run to see"),
        ("pause queue elsewhere --as ada", r"^Not a terminal"),
        ("pause queue elsewhere --for soon --yes --as ada", r"'soon' is no span of time such as 15m, 2h or 3d\.$"),
        ("pause queue elsewhere --for 0s --yes --as ada", r"^A pause ends in the future and within a year"),
        (f"pause queue elsewhere --for {'9' * 30}d --yes --as ada", r"is no span of time"),
        ("pause queue elsewhere --for 999999999d --yes --as ada", r"^A pause ends in the future and within a year"),
        (f"pause queue elsewhere --reason {'a' * 256} --yes --as ada", r"^A reason is a text of up to 255 characters"),
        ("cancel --all --yes", r"^Add --as USER: "),
        ("cancel --all --yes --as nobody", r"^There is no user 'nobody'\.$"),
        ("cancel --all --yes --as reader", r"^reader may not do that: it takes .* signals_app.cancel_delivery\.$"),
        ("pause queue elsewhere --yes --as reader", r"^reader may not do that: .* signals_app.pause_delivery\.$"),
        ("cancel --all --yes --as gone", r"^gone may not do that"),
    ],
)
def test_what_may_be_a_slip_or_is_not_allowed_is_refused(args: str, refusal: str) -> None:
    row = delivery()
    ada()
    user("reader", "view_delivery")
    User.objects.filter(username=user("gone", "cancel_delivery")).update(is_active=False)
    with pytest.raises(CommandError, match=refusal):
        told(*args.split())
    assert state_of(row) == State.READY
    assert ledger.pauses() == []


def test_without_the_admin_nobody_need_be_named() -> None:
    row = delivery()
    with modify_settings(INSTALLED_APPS={"remove": ["django.contrib.admin"]}):
        assert told("cancel", row.pk, "--yes") == "1 delivery was cancelled.\n"


def test_a_queue_and_a_receiver_are_paused_and_resumed() -> None:
    by = ("--yes", "--as", ada())
    assert told("pause", "queue", "elsewhere", *by) == "The queue elsewhere is paused.\n"
    assert ledger.is_paused(PauseKind.QUEUE, "elsewhere")
    assert told("pause", "queue", "elsewhere", *by) == "The queue elsewhere was paused already.\n"
    assert told("resume", "queue", "elsewhere", *by) == "The queue elsewhere is resumed.\n"
    assert told("resume", "queue", "elsewhere", *by) == "The queue elsewhere was not paused.\n"
    facts = {"kind": "RECEIVER", "name": nothing.key, "paused": True, "dry_run": False, "reason": "", "until": None}
    assert read("pause", "receiver", nothing.key, *by) == facts
    assert [(pause.kind, pause.by) for pause in ledger.pauses()] == [("RECEIVER", "ada")]


def test_a_pause_takes_a_reason_and_an_end_which_are_told() -> None:
    by = ("--yes", "--as", ada())
    told("pause", "queue", "elsewhere", "--reason", "no paper", "--for", "2h", *by)
    (pause,) = ledger.pauses()
    assert pause.until is not None
    assert timedelta(minutes=119) < pause.until - timezone.now() < timedelta(hours=2)
    assert told("status").endswith(f": queue elsewhere by ada until {pause.until:%Y-%m-%d %H:%M} (no paper)\n")
    (shown,) = read("status")["pauses"]
    assert (shown["reason"], shown["until"]) == ("no paper", pause.until.isoformat())
    assert told("pause", "queue", "elsewhere", "--for", "3h", *by) == "The queue elsewhere is paused.\n"


@pytest.mark.django_db(transaction=True)
def test_at_a_terminal_the_operator_is_asked() -> None:
    row, by = delivery(), ada()
    shown = at_a_terminal("cancel", str(row.pk), "--as", by, answer="n\n")
    assert "Cancel: 1 delivery. Go on? [y/N] " in shown
    assert shown.endswith("Nothing was changed.\n")
    assert state_of(row) == State.READY
    assert at_a_terminal("cancel", str(row.pk), "--as", by, answer="y\n").endswith("1 delivery was cancelled.\n")
    assert state_of(row) == State.CANCELLED


def old(*states: State) -> None:
    for state in states:
        delivery(state, finished_at=timezone.now() - timedelta(days=400))


def test_a_dry_run_says_what_would_go() -> None:
    old(State.SUCCESSFUL, State.SUCCESSFUL, State.FAILED, State.CANCELLED)
    delivery()
    assert told("prune", "--dry-run") == "2 successful, 1 failed and 1 cancelled deliveries would be deleted.\n"
    assert read("prune", "--dry-run") == {
        "dry_run": True,
        "total": 4,
        "states": {"SUCCESSFUL": 2, "FAILED": 1, "CANCELLED": 1, "MERGED": 0},
    }
    assert Delivery.objects.count() == 5


def test_it_deletes_when_yes_is_said() -> None:
    old(State.FAILED)
    kept = delivery(State.FAILED, finished_at=timezone.now())
    with pytest.raises(CommandError, match=r"^Not a terminal"):
        told("prune")
    assert told("prune", "--yes") == "1 failed delivery deleted.\n"
    assert list(Delivery.objects.all()) == [kept]
    assert told("prune", "--yes") == "There is nothing to prune.\n"


def test_one_pruner_at_a_time() -> None:
    old(State.FAILED)
    ledger.begin_maintenance(pruning.TASK, owner="elsewhere", lease=60)
    with pytest.raises(CommandError, match=r"^Another process is pruning right now; try again in a moment"):
        told("prune", "--yes")
    assert Delivery.objects.exists()
