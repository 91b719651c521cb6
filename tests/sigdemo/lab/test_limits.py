"""The lab asks little of the site: few runs at a time, few per client, no queue that grows, nothing kept for long."""

from datetime import timedelta

import pytest
from django.utils import timezone

from sigdemo.lab import limits
from sigdemo.lab.forms import ShowForm, crash_plan
from sigdemo.lab.kinds import Death, Way
from sigdemo.lab.lanes import SEND
from sigdemo.lab.models import LabLane, LabRun, LabSpan
from signals_app.models import Delivery
from tests.sigdemo.lab.runs import Measured, plan

pytestmark = pytest.mark.django_db
CRASH = crash_plan(Death.SIGKILL)


def take_all(client: str = "") -> list[LabRun]:
    return [limits.admit(plan(Way.INLINE), client=client or f"client {number}") for number in range(4)]


@pytest.mark.parametrize("is_over", [True, False])
def test_a_run_that_is_over_or_only_waits_for_a_cluster_makes_room(is_over: bool) -> None:
    take_all()
    LabRun.objects.filter(slot=2).delete()
    over = Measured(Way.INLINE, answered=0.51).work(0.002, 0.5) if is_over else Measured(Way.QUEUED, answered=0.004)
    LabRun.objects.filter(pk=over.run.pk).update(slot=2)
    assert limits.admit(plan(), client="another").slot == 2


def held(seconds: float) -> int:
    """Let all runs be so old; return how many keep their slots."""
    LabRun.objects.update(created_at=timezone.now() - timedelta(seconds=seconds))
    limits.free_slots()
    return LabRun.objects.exclude(slot=None).count()


def test_a_run_at_work_keeps_its_slot_until_it_has_had_its_time() -> None:
    working = Measured(Way.THREAD, answered=0.004).work(0.01, None, outcome="").run
    LabRun.objects.filter(pk=working.pk).update(slot=1)
    assert (held(200), held(301)) == (1, 0)


def test_a_closed_page_gives_its_slot_back() -> None:
    take_all()
    assert (held(19), held(21)) == (4, 0)


def test_a_client_starts_ten_runs_a_minute() -> None:
    for _ in range(10):
        limits.admit(plan(Way.INLINE), client="eager")
        LabRun.objects.update(slot=None)
    with pytest.raises(limits.TooMuch, match="You have started 10 runs within a minute"):
        limits.admit(plan(), client="eager")
    assert limits.admit(plan(), client="calm").slot == 1
    held(61)
    assert limits.admit(plan(), client="eager").pk


def test_one_crash_test_at_a_time_which_is_no_run_of_its_own_where_it_ends_one() -> None:
    form = ShowForm({})
    assert form.is_valid()
    shown, other = limits.admit(form.plan(), client="one"), limits.admit(CRASH, client="other")
    assert (shown.slot, other.slot) == (1, limits.CRASH_SLOT)
    for admit in (lambda: limits.admit(CRASH, client="third"), lambda: limits.admit_crash(shown.crash)):
        with pytest.raises(limits.TooMuch, match="Another crash test is under way"):
            admit()
    LabRun.objects.filter(pk=other.pk).update(slot=None)
    assert [limits.admit_crash(shown.crash), limits.admit_crash(shown.crash)] == [True, False]
    LabLane.objects.filter(run=shown.crash).update(started_at=timezone.now())
    LabRun.objects.update(slot=None)
    assert not limits.admit_crash(shown.crash)
    assert LabRun.objects.filter(client="one").count() == 1


@pytest.mark.database
def test_a_queue_that_nobody_empties_does_not_grow() -> None:
    for number, way in enumerate((Way.QUEUED, Way.TASK) * 2):
        run = limits.admit(plan(way, fan_out=8), client=f"client {number}")
        SEND[way](LabLane.objects.select_related("run").get(run=run))
        LabRun.objects.update(slot=None)
    assert Delivery.objects.count() == 32
    with pytest.raises(limits.TooMuch, match="32 receivers of earlier runs still wait in the queue"):
        limits.admit(plan(Way.QUEUED), client="another")
    assert Delivery.objects.count() == 32


def test_old_runs_go_with_all_that_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEEP", 1)
    Measured(Way.INLINE, answered=0.5).work(0.1, 0.3)
    held(8 * 86_400)
    assert limits.prune() == 0  # the latest stay, however old
    young = Measured(Way.INLINE, answered=0.5).work(0.1, 0.3).run
    limits.admit(plan(Way.QUEUED), client="another")
    assert LabRun.objects.filter(pk=young.pk).exists()
    assert LabRun.objects.count() == 2
    assert LabSpan.objects.count() == 1
