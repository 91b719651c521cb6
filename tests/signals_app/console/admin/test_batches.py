"""Batches in the admin: how far each is, and the way to its members and back."""

from __future__ import annotations

from typing import Any

import pytest
from django.dispatch import Signal
from django.test import Client
from django.urls import reverse

from signals_app import ledger
from signals_app.dispatcher import batch
from signals_app.models import Batch, Delivery
from signals_app.testing import run_deliveries
from tests.signals_app.console.admin.rows import DELIVERIES, client_of, words
from tests.signals_app.console.terminal.commands import read
from tests.signals_app.listeners import first, listening, second
from tests.testapp.receivers import nothing

pytestmark = pytest.mark.django_db

BATCHES, BATCH = "admin:signals_app_batch_changelist", "admin:signals_app_batch_change"
DELIVERY = "admin:signals_app_delivery_change"
step, done = Signal(), Signal()


@pytest.fixture
def outer() -> Batch:
    """A batch of three, one of which has ended, with another of one within it, which has settled."""
    with listening(step, first, second, nothing), batch(on_done=done, description="Spring <prices>", token="s3") as one:
        step.send(None)
        with batch(on_done=done), listening(step, first):
            pass
    ledger.cancel([Delivery.objects.filter(receiver=first.key)[0].id])
    return Batch.objects.get(pk=one.id)


def test_the_list_says_how_far_each_batch_is(reader: Client, outer: Batch) -> None:
    shown = words(reader.get(reverse(BATCHES)).content.decode())
    assert "waiting 1/3 Description Spring <prices> done" in shown
    assert "Members 2 ready, 1 cancelled" in shown
    run_deliveries()
    shown = words(reader.get(reverse(BATCHES)).content.decode())
    assert "Members 2 successful, 1 cancelled" in shown
    assert "1/3" not in shown


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"standing": "waiting"}, 1),
        ({"standing": "settled"}, 1),
        ({"standing": "open"}, 0),
        ({"kind": "emission"}, 0),
        ({"kind": "block"}, 2),
        ({"failures": "1"}, 0),
        ({"q": "spring"}, 1),
        ({"q": "tokens"}, 0),
    ],
)
def test_the_list_can_be_narrowed(reader: Client, outer: Batch, query: dict[str, str], found: int) -> None:
    assert reader.get(reverse(BATCHES), query).context["cl"].result_count == found


def test_a_batch_leads_to_its_members_and_they_lead_back(reader: Client, outer: Batch) -> None:
    run_deliveries()
    page = reader.get(reverse(BATCH, args=[outer.pk])).content.decode()
    outer.refresh_from_db()
    for link in (
        f"{reverse(DELIVERIES)}?batch={outer.pk}",
        f"{reverse(BATCHES)}?parent={outer.pk}",
        reverse(DELIVERY, args=[outer.callback]),
    ):
        assert link in page
    assert "s3" not in page  # a secret
    members = reader.get(reverse(DELIVERIES), {"batch": outer.pk}).context["cl"]
    assert members.result_count == 4  # that of the inner one's on_done among them
    assert reader.get(reverse(BATCHES), {"parent": outer.pk}).context["cl"].result_count == 1
    for one in (members.result_list[0].pk, outer.callback):
        assert reverse(BATCH, args=[outer.pk]) in reader.get(reverse(DELIVERY, args=[one])).content.decode()
    for wrong in ("x", "-1", str(10**30)):
        assert reader.get(reverse(DELIVERIES), {"batch": wrong}).status_code == 404


def test_who_may_view_deliveries_may_view_batches_and_nobody_else(outer: Batch) -> None:
    for permission, status in (("view_delivery", 200), ("view_attempt", 403)):
        client = client_of(permission, permission)
        assert client.get(reverse(BATCHES)).status_code == status
        assert client.get(reverse(BATCH, args=[outer.pk])).status_code == status


def test_the_list_takes_as_many_queries_for_many_batches_as_for_one(
    boss: Client, django_assert_max_num_queries: Any
) -> None:
    counts = []
    for more in (1, 5):
        for _ in range(more):
            with batch(on_done=done):
                pass
        with django_assert_max_num_queries(30) as captured:
            boss.get(reverse(BATCHES))
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_the_command_lists_the_members_of_a_batch(outer: Batch) -> None:
    listed = read("list", f"--batch={outer.pk}")["deliveries"]
    assert {one["batch"] for one in listed} == {outer.pk}
    assert len(listed) == 4
