"""The overview's charts."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from signals_app import ledger
from signals_app.console.charts import _top, charts, read_slots
from signals_app.ledger import SPANS, Totals
from signals_app.models import Measure, Snapshot, State, Tally
from tests.signals_app.console.admin.rows import OVERVIEW, delivery
from tests.signals_app.ledger.test_snapshots import NOON, add

pytestmark = [pytest.mark.django_db, pytest.mark.database]

HOUR, DAY, WEEK = SPANS


class Clock:
    """The database's minute, as the tests have it."""

    minute = NOON

    def at(self, minute: int) -> None:
        """Let it be so many minutes after noon, and a pusher note what was counted until then."""
        self.minute = NOON + minute
        ledger.take_snapshot()

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.minute * 60, UTC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("signals_app.ledger", "signals_app.ledger.snapshots"):
        monkeypatch.setattr(f"{module}.this_minute", lambda: clock.minute)
    return clock


def done(receiver: str = "") -> list[Totals | None]:
    return [slot.did for slot in read_slots(HOUR, receiver)[0]]


def test_what_was_counted_stands_in_the_minute_in_which_it_was(clock: Clock) -> None:
    add(Measure.FAILURE, 100)  # of long ago
    clock.at(0)
    add(Measure.FAILURE, 2)
    clock.at(1)
    clock.at(2)
    add(Measure.FAILURE, 3)
    add(Measure.FAILURE, 5, receiver="other")  # counted for the first time
    assert done()[-3:] == [Totals(failed=2), Totals(), Totals(failed=8)]
    assert done("other")[-3:] == [Totals(), Totals(), Totals(failed=5)]
    assert len(done()) == 60
    clock.minute += 1
    assert done()[-2:] == [Totals(failed=8), Totals()], "the minute begins; no pusher has noted it yet"
    clock.minute -= 1
    assert done("nobody")[-3:] == [Totals(), Totals(), Totals()]


def test_a_time_without_a_cluster_is_a_gap_and_not_zero(clock: Clock) -> None:
    clock.at(0)
    add(Measure.FAILURE, 2)  # by a worker, as the cluster ends
    clock.at(5)
    assert done()[-6:] == [Totals(failed=2), None, None, None, None, Totals()]
    clock.minute += 2
    shown = charts("1h", "", "admin")
    assert [row.did for row in shown["rows"]] == [None, None, Totals(failed=2), None]
    assert shown["gaps"][-6:] == [530, 540, 550, 560, 580, 590]


def test_counters_that_were_deleted_begin_anew(clock: Clock) -> None:
    add(Measure.FAILURE, 7)
    clock.at(0)
    Tally.objects.all().delete()
    add(Measure.FAILURE, 2)
    clock.at(1)
    assert done()[-2:] == [Totals(failed=2), Totals()]


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("zones", [{}, {"USE_TZ": False, "TIME_ZONE": "Asia/Kolkata"}])
def test_a_bar_leads_to_the_deliveries_that_it_counts(
    span: ledger.Span, zones: dict[str, object], clock: Clock, boss: Client
) -> None:
    def ended(state: State, receiver: str, *, seconds: int) -> None:
        at = clock.now + timedelta(seconds=seconds)
        local = at if settings.USE_TZ else timezone.make_naive(at, timezone.get_default_timezone())
        delivery(
            state, receiver=receiver, **dict.fromkeys(("due_at", "enqueued_at", "started_at", "finished_at"), local)
        )

    with override_settings(**zones):
        clock.at(0)
        ended(State.FAILED, "mail", seconds=-1)
        for state, key in ((State.SUCCESSFUL, (Measure.RUN, "SUCCESSFUL")), (State.FAILED, (Measure.FAILURE, ""))):
            for receiver in ("mail", "mail", "other"):
                add(key[0], receiver=receiver, detail=key[1])
                ended(state, receiver, seconds=7)

        page = boss.get(reverse(OVERVIEW), {"span": span.name, "receiver": "mail"})

        bars = page.context["charts"]["drawn"][0]["bars"]
        assert [(bar["kind"], bar["said"]) for bar in bars] == [("successful", 2), ("failed", 2)]
        links = re.findall(r'<a href="([^"]+)"[^>]*><title>[^<]+: 2</title>', page.content.decode())
        assert len(links) == 2
        for link in links:
            assert boss.get(link.replace("&amp;", "&")).context["cl"].queryset.count() == 2


def test_means_are_those_of_the_attempts_of_a_slot(clock: Clock) -> None:
    clock.at(0)
    add(Measure.WAIT, 4, bound="5")
    add(Measure.RUN, 2, bound="5", detail="ERROR")
    _ended, waited, ran = charts("24h", "", "admin")["drawn"]
    assert (waited["said"], waited["axis"]) == ("1.00\xa0s over 4 attempts", ["1.00\xa0s", "500\xa0ms", 0])
    assert (ran["said"], [bar["height"] for bar in ran["bars"]]) == ("1.00\xa0s over 2 attempts", [100])


@pytest.mark.parametrize(
    ("peak", "is_count", "top"),
    [
        *((0, True, 2), (3, True, 4), (5, True, 10), (1_001, True, 2_000), (0, False, 0.001), (0.3, False, 0.4)),
        *((40, False, 40), (41, False, 60), (2_000, False, 2_400), (3_000, False, 3_600), (90_000, False, 144_000)),
    ],
)
def test_an_axis_ends_at_a_number_that_is_easy_to_read(peak: float, is_count: bool, top: float) -> None:
    assert _top(peak, is_count) == pytest.approx(top)


@pytest.mark.parametrize("query", [{}, {"span": "a year"}, {"span": "7d", "receiver": "nobody"}])
def test_a_page_without_counts_says_so(query: dict[str, str], boss: Client) -> None:
    page = boss.get(reverse(OVERVIEW), query)
    assert "No attempt was counted in this time." in page.content.decode()
    assert page.context["charts"]["span"] == (WEEK if query.get("span") == "7d" else HOUR)


def test_three_queries_read_a_week_of_fifty_receivers(django_assert_num_queries: Callable[[int], Any]) -> None:
    for number in range(50):
        add(Measure.FAILURE, receiver=f"receiver {number}")
    ledger.take_snapshot()
    row = Snapshot.objects.get()
    Snapshot.objects.bulk_create([Snapshot(minute=row.minute - ago, totals=row.totals) for ago in range(1, 1_000)])
    with django_assert_num_queries(3):
        charts("7d", "", "admin")
