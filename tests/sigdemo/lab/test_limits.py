"""The lab asks little of the site: few runs at a time, few per client, no queue that grows, nothing kept for long."""

from datetime import timedelta

import pytest
from django.utils import timezone

from sigdemo.lab import limits
from sigdemo.lab.kinds import Death, Kind, Plan, Way
from sigdemo.lab.lanes import queued
from sigdemo.lab.models import LabLane, LabRun, LabSpan
from signals_app.models import Delivery
from tests.sigdemo.lab.runs import Measured, plan

pytestmark = pytest.mark.django_db
CRASH = Plan(kind=Kind.WAIT, seconds=2, fan_out=1, ways=(Way.THREAD, Way.QUEUED), death=Death.SIGKILL)


def ago(seconds: float) -> None:
    LabRun.objects.update(created_at=timezone.now() - timedelta(seconds=seconds))


def take_all(client: str = "") -> list[LabRun]:
    return [limits.admit(plan(Way.INLINE), client=client or f"client {number}") for number in range(4)]


@pytest.mark.database
def test_four_runs_have_four_slots_and_the_fifth_is_refused() -> None:
    assert {run.slot for run in take_all()} == {1, 2, 3, 4}
    with pytest.raises(limits.TooMuch, match="4 runs are under way, which is as many as the lab does at a time"):
        limits.admit(plan(), client="another")
    assert LabRun.objects.count() == 4


def test_a_run_that_is_over_makes_room() -> None:
    take_all()
    over = Measured(Way.INLINE, answered=0.51).work(0.002, 0.5).run
    LabRun.objects.filter(slot=2).delete()
    LabRun.objects.filter(pk=over.pk).update(slot=2)

    assert limits.admit(plan(), client="another").slot == 2


def test_a_run_that_only_waits_for_a_cluster_makes_room() -> None:
    waiting = Measured(Way.QUEUED, answered=0.004).run
    LabRun.objects.filter(pk=waiting.pk).update(slot=1)

    assert limits.admit(plan(), client="another").slot == 1


def test_a_run_at_work_keeps_its_slot_until_it_has_had_its_time() -> None:
    working = Measured(Way.THREAD, answered=0.004).work(0.01, None, outcome="").run
    LabRun.objects.filter(pk=working.pk).update(slot=1)
    ago(200)
    limits.free_slots()
    assert LabRun.objects.filter(slot=1).exists()

    ago(301)
    limits.free_slots()
    assert not LabRun.objects.filter(slot=1).exists()


def test_a_closed_page_gives_its_slot_back() -> None:
    take_all()
    ago(19)
    limits.free_slots()
    assert LabRun.objects.exclude(slot=None).count() == 4

    ago(21)
    limits.free_slots()
    assert not LabRun.objects.exclude(slot=None).exists()


def test_a_client_starts_ten_runs_a_minute() -> None:
    for _ in range(10):
        limits.admit(plan(Way.INLINE), client="eager")
        LabRun.objects.update(slot=None)
    with pytest.raises(limits.TooMuch, match="You started 10 runs within a minute"):
        limits.admit(plan(), client="eager")

    assert limits.admit(plan(), client="calm").slot == 1
    ago(61)
    assert limits.admit(plan(), client="eager").pk


def test_one_crash_test_at_a_time() -> None:
    assert limits.admit(CRASH, client="one").slot == limits.CRASH_SLOT
    with pytest.raises(limits.TooMuch, match="A crash test is under way"):
        limits.admit(CRASH, client="other")
    assert limits.admit(plan(), client="other").slot == 1


@pytest.mark.database
def test_a_queue_that_nobody_empties_does_not_grow() -> None:
    for number in range(4):
        run = limits.admit(plan(Way.QUEUED, fan_out=8), client=f"client {number}")
        queued(LabLane.objects.select_related("run").get(run=run))
        LabRun.objects.update(slot=None)
    assert Delivery.objects.count() == 32

    with pytest.raises(limits.TooMuch, match="32 receivers of earlier runs still wait in the queue"):
        limits.admit(plan(Way.QUEUED), client="another")
    assert Delivery.objects.count() == 32


def test_old_runs_go_with_all_that_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEEP", 1)
    Measured(Way.INLINE, answered=0.5).work(0.1, 0.3)
    ago(8 * 86_400)
    young = Measured(Way.INLINE, answered=0.5).work(0.1, 0.3).run
    limits.admit(plan(Way.QUEUED), client="another")

    assert LabRun.objects.filter(pk=young.pk).exists()
    assert LabRun.objects.count() == 2
    assert LabSpan.objects.count() == 1


def test_the_latest_runs_stay_however_old() -> None:
    Measured(Way.INLINE, answered=0.5)
    ago(8 * 86_400)

    assert limits.prune() == 0
