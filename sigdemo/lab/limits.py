"""How much the lab may ask of the site: few runs at a time, few per client, and no queue that grows."""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from sigdemo.lab.facts import Facts, Lane, facts_of
from sigdemo.lab.kinds import BY_A_WORKER, MOST_RECEIVERS, Plan, gil_enabled
from sigdemo.lab.models import LabLane, LabRun
from sigdemo.lab.signals import queued_work_wanted
from sigdemo.lab.tasks import do_work
from signals_app.models import Delivery, State
from signals_app.payloads.names import signal_name

SLOTS = (1, 2, 3, 4)
CRASH_SLOT = 5  # one crash test at a time: its workers share a queue
LONGEST_RUN = timedelta(minutes=5)  # after which a run gives its slot back, whatever it does
SILENCE = timedelta(seconds=20)  # after which a run whose next lane does not begin gives its slot back
PER_CLIENT, PERIOD = 10, timedelta(minutes=1)
MOST_WAITING = len(SLOTS) * MOST_RECEIVERS  # deliveries of the lab that may wait in the queue
CRASH_UNDER_WAY = "Another crash test is under way. Wait a few seconds, then start yours."
KEEP, KEEP_FOR = 200, timedelta(days=7)


class TooMuch(Exception):
    """The lab is asked for more than it does at a time; the text is for the visitor."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        """``retry_after`` is in seconds."""
        super().__init__(message)
        self.retry_after = retry_after


def admit(plan: Plan, *, client: str) -> LabRun:
    """Write the run that a plan asks for. Raises TooMuch, and writes nothing, when that is more than the lab does."""
    now = timezone.now()
    recent = LabRun.objects.filter(client=client, created_at__gt=now - PERIOD, crash_of=None)
    if recent.count() >= PER_CLIENT:
        raise TooMuch(
            f"You have started {PER_CLIENT} runs within a minute, which is the most one visitor may. "
            "Wait a minute, then run it again. Nothing was started.",
            retry_after=60,
        )
    _refuse_a_long_queue()
    free_slots()
    prune()
    for slot in [CRASH_SLOT] if plan.death else SLOTS:
        run = _take(slot, plan, client)
        if run is not None:
            return run
    if plan.death:
        raise TooMuch(CRASH_UNDER_WAY, retry_after=10)
    raise TooMuch(
        f"{len(SLOTS)} runs are under way, which is the most the lab does at a time. "
        "Wait until one is over, then run it again. Nothing was started.",
        retry_after=10,
    )


def admit_crash(crash: LabRun) -> bool:
    """Give a run's own crash test the one slot there is; False when it was done before.

    Raises TooMuch while another one has the slot.
    """
    free_slots()
    fresh = LabRun.objects.filter(pk=crash.pk, slot=None).exclude(lanes__started_at__isnull=False)
    try:
        with transaction.atomic():
            return bool(fresh.update(slot=CRASH_SLOT, created_at=timezone.now()))
    except IntegrityError:
        raise TooMuch(CRASH_UNDER_WAY, retry_after=10) from None


def free_slots() -> None:
    """Take back the slots of runs that keep nobody busy any more, or that nobody goes on with."""
    for run in LabRun.objects.exclude(slot=None):
        facts = facts_of(run)
        if all(map(_is_idle, facts.lanes)) or _is_abandoned(facts):
            LabRun.objects.filter(pk=run.pk).update(slot=None)


def prune() -> int:
    """Delete runs that are old and not among the latest; return how many rows went."""
    runs = LabRun.objects.filter(crash_of=None)
    latest = runs.order_by("-created_at").values_list("pk", flat=True)[:KEEP]
    old = runs.filter(slot=None, created_at__lt=timezone.now() - KEEP_FOR)
    return old.exclude(pk__in=list(latest)).delete()[0]


def _is_idle(lane: Lane) -> bool:
    """Tell whether nobody works for a lane; what waits in the queue alone is bounded by MOST_WAITING."""
    waits_alone = lane.way in BY_A_WORKER and lane.answered_after is not None
    return lane.is_over or (waits_alone and not any(work.is_running for work in lane.works))


def _is_abandoned(facts: Facts) -> bool:
    """Tell whether its page was closed: nothing runs, and the next lane should have begun long ago."""
    age = timezone.now() - facts.run.created_at
    if facts.run.is_crash_test or any(lane.state == "running" for lane in facts.lanes):
        return age > LONGEST_RUN
    ends = [lane.row.started_at + timedelta(seconds=lane.end) for lane in facts.lanes if lane.row.started_at]
    return timezone.now() - max([facts.run.created_at, *ends]) > SILENCE


def _refuse_a_long_queue() -> None:
    of_the_lab = Q(signal=signal_name(queued_work_wanted)) | Q(receiver=do_work.module_path)
    waiting = Delivery.objects.filter(of_the_lab, state=State.READY).count()
    if waiting >= MOST_WAITING:
        raise TooMuch(
            f"{waiting} receivers of earlier runs still wait in the queue, and no more are added. "
            "Start a cluster with: python manage.py qcluster. Nothing was started.",
            retry_after=30,
        )


def _take(slot: int, plan: Plan, client: str) -> LabRun | None:
    """Write a run into a slot, or return None when another run has it: the database decides."""
    try:
        return write(plan, client=client, slot=slot)
    except IntegrityError:
        return None


def write(plan: Plan, *, client: str = "", slot: int | None = None, crash_of: LabRun | None = None) -> LabRun:
    """Write a run with its lanes and its crash test, without asking. Raises IntegrityError where the slot is taken."""
    with transaction.atomic():
        run = LabRun.objects.create(
            kind=plan.kind,
            seconds=plan.seconds,
            fan_out=plan.fan_out,
            death=plan.death or "",
            guess=plan.guess,
            crash_of=crash_of,
            client=client,
            slot=slot,
            gil=gil_enabled(),
        )
        LabLane.objects.bulk_create(
            LabLane(run=run, way=way, position=position) for position, way in enumerate(plan.ways)
        )
        if plan.crash:
            write(plan.crash, crash_of=run)
    return run
