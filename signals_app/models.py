"""The record: one row per delivery, one per attempt that failed. States are written by the ledger alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q
from django.db.models.sql.compiler import SQLCompiler
from django.utils.translation import gettext_lazy as _

YEARS = (2, 9999)  # of times that every database and Python can read in any zone, the last one not included
FIRST, LAST = (f"'{year:04}-01-01'" for year in YEARS)  # as SQL


class State(models.TextChoices):
    READY = "READY", _("ready")
    RUNNING = "RUNNING", _("running")
    SUCCESSFUL = "SUCCESSFUL", _("successful")
    FAILED = "FAILED", _("failed")
    CANCELLED = "CANCELLED", _("cancelled")
    MERGED = "MERGED", _("merged")


FINAL_STATES = (State.SUCCESSFUL, State.FAILED, State.CANCELLED, State.MERGED)


class Outcome(models.TextChoices):
    """How an attempt that did not succeed ended."""

    ERROR = "ERROR", _("error")
    TIMEOUT = "TIMEOUT", _("timeout")
    LOST = "LOST", _("lost")
    RETRY_AFTER = "RETRY_AFTER", _("retry after")
    SKIPPED = "SKIPPED", _("skipped")
    EXPIRED = "EXPIRED", _("expired")
    CANCELLED = "CANCELLED", _("cancelled")
    STALE = "STALE", _("stale")


class PauseKind(models.TextChoices):
    QUEUE = "QUEUE", _("queue")
    RECEIVER = "RECEIVER", _("receiver")
    SCHEDULE = "SCHEDULE", _("schedule")


class Measure(models.TextChoices):
    """What is counted for monitoring."""

    WAIT = "WAIT", _("waits for the start of an attempt")
    RUN = "RUN", _("runs, by how they ended")
    LOSS = "LOSS", _("lost attempts, by cause")
    FAILURE = "FAILURE", _("deliveries that became FAILED")
    MERGED = "MERGED", _("deliveries merged into another")


@dataclass
class _Readable:
    """The SQL by which a query reads a time; which of the two it is, Django decides by the database."""

    sql: str
    params: tuple[str | int, ...]

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, condition: str = ""
    ) -> tuple[str, tuple[str | int, ...]]:
        text = (
            f"CASE WHEN {self.sql} BETWEEN {FIRST} AND {LAST}{condition} THEN {self.sql} "
            f"WHEN {self.sql} > {LAST} THEN {LAST} WHEN {self.sql} IS NOT NULL THEN {FIRST} END"
        )
        return text, tuple(self.params) * text.count(self.sql)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[str | int, ...]]:
        # else there is no such day, or it is no time
        return self.as_sql(compiler, connection, f" AND substr({self.sql}, 1, 10) = date({self.sql})")


class _Moment(models.DateTimeField):  # type: ignore[type-arg]  # cannot be subscripted as the program runs
    """A time that can be read whatever stands in the column: PostgreSQL has infinity, SQLite stores any text.

    What is beyond Python's years is read as the first or the last of them, and what is no time as the first.
    """

    def select_format(
        self, compiler: SQLCompiler, sql: str, params: tuple[str | int, ...]
    ) -> tuple[str, tuple[str | int, ...]]:
        return compiler.compile(_Readable(sql, params))  # type: ignore[arg-type]  # it asks for as_sql() alone

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs


if TYPE_CHECKING:
    Moment = models.DateTimeField
else:
    Moment = _Moment


class Delivery(models.Model):
    """One receiver's work for one emission: queue entry, outbox, lease and history in one row."""

    id = models.BigAutoField(primary_key=True)
    emission = models.UUIDField(help_text=_("Deliveries of one send() share it."))
    signal = models.CharField(max_length=255)
    sender = models.CharField(max_length=255, blank=True)
    receiver = models.CharField(max_length=255, help_text=_("The receiver's key."))
    queue = models.CharField(max_length=100)
    priority = models.SmallIntegerField(default=0, help_text=_("Higher runs first."))
    # JSON as text: PostgreSQL's jsonb would reorder keys and read 1e22 back as an int
    payload = models.TextField(help_text=_("The signal's arguments as JSON."))
    sent_by = models.CharField(max_length=150, blank=True, help_text=_("The user whose request sent it."))
    sent_from = models.CharField(
        max_length=200, blank=True, help_text=_("The request, the delivery or the command that sent it.")
    )
    trace = models.CharField(max_length=55, blank=True, help_text=_("The W3C traceparent of the send."))
    depth = models.PositiveIntegerField(
        default=0, help_text=_("How many deliveries led to it, each sent by the receiver of the one before.")
    )
    context = models.TextField(blank=True, help_text=_("What SIGNALS_APP['CONTEXT'] captured at the send, as JSON."))
    state = models.CharField(max_length=10, choices=State.choices, default=State.READY)
    due_at = Moment(help_text=_("Not claimed before."))
    enqueued_at = Moment()
    attempts = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField()
    losses = models.PositiveIntegerField(default=0, help_text=_("Attempts that were lost with their worker."))
    deferrals = models.PositiveIntegerField(
        default=0, db_default=0, help_text=_("How often its receiver has put it off by Defer.")
    )
    owner = models.CharField(max_length=255, blank=True, help_text=_("The process that holds it."))
    token = models.PositiveIntegerField(default=0, help_text=_("Which hold it is; grows with each claim."))
    lease_until = Moment(null=True, blank=True)
    started_at = Moment(null=True, blank=True)
    finished_at = Moment(null=True, blank=True)
    progress_done = models.PositiveBigIntegerField(default=0)
    progress_total = models.PositiveBigIntegerField(default=0)
    result = models.TextField(
        blank=True, default="", db_default="", help_text=_("What a task returned, as JSON; nothing for None.")
    )
    unroutable = models.BooleanField(
        default=False, help_text=_("The last worker that claimed it did not know its receiver.")
    )
    parked = models.BooleanField(
        default=False,
        help_text=_(
            "Set aside, out of the way of claims: its receiver is paused, or it waits behind others of its lane."
        ),
    )
    coalesce_key = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text=_("Those of one receiver and key are run as one."),
    )
    merged_into = models.BigIntegerField(null=True, blank=True, help_text=_("The delivery that ran in its place."))
    waiting_since = Moment(null=True, blank=True, help_text=_("When the oldest of those merged into it was sent."))
    lane = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text=_("How many of a lane run at a time is limited."),
    )
    behind = models.BooleanField(
        default=False, db_default=False, help_text=_("Parked until others of its lane have ended.")
    )
    blocks_lane = models.BooleanField(
        default=False, db_default=False, help_text=_("Those behind it wait even when it has FAILED.")
    )
    slot = models.SmallIntegerField(
        null=True, blank=True, help_text=_("Since it has begun, its place among those of its lane that run at a time.")
    )
    concurrency = models.SmallIntegerField(
        default=0,
        db_default=0,
        help_text=_("While it is behind: how many of its lane run at a time; 0 is one, in order."),
    )
    bucket = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text=_("What its receiver's rate_key made of its arguments."),
    )
    booked = models.BooleanField(
        default=False, db_default=False, help_text=_("Its due time is its turn by the rate of its bucket.")
    )
    batch = models.BigIntegerField(null=True, blank=True, help_text=_("The batch that waits for its end."))
    watched = models.BooleanField(
        default=False, db_default=False, help_text=_("Whoever ends it checks whether its batch is done.")
    )

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        permissions = (
            ("retry_delivery", "Can retry delivery"),
            ("cancel_delivery", "Can cancel delivery"),
            ("move_delivery", "Can move delivery to another queue"),
            ("run_now_delivery", "Can run delivery before it is due"),
            ("reassign_delivery", "Can give delivery another receiver"),
            ("free_delivery", "Can let the lane of a failed delivery go on"),
            ("pause_delivery", "Can pause and resume queues and receivers"),
        )
        indexes = (
            # the claim, and the looks of pushers: a band of one priority, by due time; what is parked lies apart
            models.Index(
                fields=["queue", "parked", "-priority", "due_at", "id"],
                name="signals_app_claim",
                condition=Q(state="READY"),
            ),
            models.Index(
                fields=["queue", "lease_until"],
                name="signals_app_running",
                condition=Q(state="RUNNING"),
            ),
            models.Index(fields=["emission"], name="signals_app_emission"),
            models.Index(fields=["receiver", "id"], name="signals_app_parked", condition=Q(parked=True, behind=False)),
            models.Index(
                fields=["receiver", "coalesce_key", "id"],
                name="signals_app_coalesce",
                condition=Q(state__in=("READY", "RUNNING")) & ~Q(coalesce_key=""),
            ),
            models.Index(fields=["merged_into"], name="signals_app_merged", condition=Q(merged_into__isnull=False)),
            # a lane in its order, what in it is parked, and what has failed and blocks it
            models.Index(
                fields=["lane", "id"],
                name="signals_app_lane",
                condition=Q(state__in=("READY", "RUNNING")) & ~Q(lane=""),
            ),
            models.Index(fields=["lane", "id"], name="signals_app_behind", condition=Q(state="READY", behind=True)),
            models.Index(
                fields=["lane", "id"], name="signals_app_blocking", condition=Q(state="FAILED", blocks_lane=True)
            ),
            # the members of a batch, those that come last first: whether any has not ended, and how many ended how
            models.Index(
                fields=["batch", "state", "-id"], name="signals_app_members", condition=Q(batch__isnull=False)
            ),
            models.Index(fields=["batch", "state"], name="signals_app_watched", condition=Q(watched=True)),
            # the last turn of those that wait for theirs
            models.Index(
                fields=["receiver", "bucket", "due_at"],
                name="signals_app_booked",
                condition=Q(state="READY", booked=True),
            ),
            # few of those that wait, counted for those who watch
            models.Index(fields=["queue"], name="signals_app_retrying", condition=Q(state="READY", attempts__gt=0)),
            models.Index(fields=["queue"], name="signals_app_unroutable", condition=Q(state="READY", unroutable=True)),
            # what ended lately, for those who watch, and what ended long ago, to be pruned
            models.Index(
                fields=["state", "finished_at"],
                name="signals_app_finished",
                condition=Q(finished_at__isnull=False),
            ),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["lane", "slot"], name="signals_app_one_a_slot", condition=Q(state="RUNNING") & ~Q(lane="")
            ),
        )

    def __str__(self) -> str:
        return f"{self.receiver} #{self.pk}"


class Batch(models.Model):
    """Deliveries of many sends, or of one, whose end has a signal sent."""

    id = models.BigAutoField(primary_key=True)
    parent = models.BigIntegerField(null=True, blank=True, help_text=_("The batch that waits for this one."))
    emission = models.UUIDField(
        null=True, blank=True, help_text=_("The send whose deliveries it holds, where emission_settled is to follow.")
    )
    signal = models.CharField(max_length=255, help_text=_("What is sent once it is done; of an emission, what was."))
    payload = models.TextField(help_text=_("The signal's arguments as JSON."))
    description = models.CharField(max_length=255, blank=True)
    queue = models.CharField(max_length=100, help_text=_("Where the signal is sent from once it is done."))
    max_attempts = models.PositiveIntegerField()
    sent_by = models.CharField(max_length=150, blank=True)
    sent_from = models.CharField(max_length=200, blank=True)
    trace = models.CharField(max_length=55, blank=True)
    depth = models.PositiveIntegerField(default=0)
    context = models.TextField(blank=True)
    created_at = Moment()
    closed_at = Moment(null=True, blank=True, help_text=_("When all of its members had been sent."))
    settled_at = Moment(null=True, blank=True, help_text=_("When the last of them had ended."))
    abandoned = models.BooleanField(default=False, help_text=_("Its block did not come to its end."))
    callback = models.BigIntegerField(null=True, blank=True, unique=True, help_text=_("The delivery that followed."))
    successful = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)
    merged = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        indexes = (
            models.Index(fields=["created_at"], name="signals_app_unsettled", condition=Q(settled_at__isnull=True)),
            models.Index(fields=["parent", "settled_at"], name="signals_app_inner", condition=Q(parent__isnull=False)),
            models.Index(fields=["settled_at"], name="signals_app_settled", condition=Q(settled_at__isnull=False)),
        )

    def __str__(self) -> str:
        return self.description or f"{self.signal} #{self.pk}"


class Attempt(models.Model):
    """One execution of a delivery that failed."""

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="failed_attempts")
    number = models.PositiveIntegerField(help_text=_("1 for the first attempt of the delivery."))
    owner = models.CharField(max_length=255)
    started_at = Moment(null=True, blank=True)
    finished_at = Moment()
    outcome = models.CharField(max_length=11, choices=Outcome.choices)
    error_class = models.CharField(max_length=255, blank=True)
    message = models.TextField(blank=True)
    traceback = models.TextField(blank=True)

    class Meta:
        verbose_name = _("failed attempt")
        verbose_name_plural = _("failed attempts")
        ordering = ("delivery_id", "number", "id")
        indexes = (
            models.Index(fields=["finished_at"], name="signals_app_ended_badly"),
            models.Index(fields=["error_class", "delivery"], name="signals_app_error_class"),
            models.Index(fields=["outcome", "id"], name="signals_app_outcome"),
        )

    def __str__(self) -> str:
        return f"{self.delivery_id} attempt {self.number}: {self.outcome}"


class Pause(models.Model):
    """A queue or a receiver whose waiting deliveries nobody claims until it is resumed, or a schedule without ticks."""

    kind = models.CharField(max_length=8, choices=PauseKind.choices)
    name = models.CharField(
        max_length=255, help_text=_("The queue's name, or the key of the receiver or the schedule.")
    )
    since = Moment()
    by = models.CharField(max_length=150, blank=True, help_text=_("Who paused it."))
    reason = models.CharField(
        max_length=255, blank=True, default="", db_default="", help_text=_("Why, for those who see it.")
    )
    until = Moment(null=True, blank=True, help_text=_("When it ends by itself; otherwise when it is resumed."))

    class Meta:
        verbose_name = _("pause")
        constraints = (models.UniqueConstraint(fields=["kind", "name"], name="signals_app_paused_once"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name}"


class Schedule(models.Model):
    """When a signal is sent next by the clock. Its receivers and its definition are in the code."""

    key = models.CharField(max_length=255, primary_key=True)
    definition = models.CharField(max_length=255, help_text=_("As in a crontab, and the time zone."))
    next_at = Moment()
    last_at = Moment(null=True, blank=True)
    confirmed_at = Moment(null=True, blank=True, help_text=_("When a process with this definition last said so."))

    class Meta:
        verbose_name = _("schedule")

    def __str__(self) -> str:
        return self.key


class Bucket(models.Model):
    """What deliveries of one receiver and key take their turns from; one that is not there is full."""

    name = models.CharField(max_length=511, primary_key=True)  # the receiver's key, a line feed, and the bucket's
    used_until = Moment(help_text=_("How far the turns that were used reach."))


class MaintenanceTask(models.Model):
    """Work of the app's own that one process of all does at a time, such as pruning."""

    name = models.CharField(max_length=30, primary_key=True)
    next_at = Moment(help_text=_("Not begun before, unless whoever does it says that it is done."))
    owner = models.CharField(max_length=255, blank=True, help_text=_("The process that is at it."))


class ClusterStat(models.Model):
    """What a Django-Q cluster last said of itself (Django-Q's own signed package), for hosts without a shared cache."""

    key = models.CharField(max_length=255, primary_key=True)
    queue = models.CharField(max_length=100)
    host = models.CharField(max_length=255)
    package = models.TextField()
    seen_at = Moment()
    expires_at = Moment(db_index=True)

    class Meta:
        verbose_name = _("cluster")

    def __str__(self) -> str:
        return f"{self.queue} at {self.host}"


class IdleQueue(models.Model):
    """A queue whose pushers sleep until ``until``; a sender on PostgreSQL wakes them with NOTIFY."""

    queue = models.CharField(max_length=100, primary_key=True)
    until = Moment()


class Tally(models.Model):
    """How often something happened since the table was made; workers add to it, nobody takes away."""

    id = models.BigAutoField(primary_key=True)
    measure = models.CharField(max_length=8, choices=Measure.choices)
    queue = models.CharField(max_length=100)
    receiver = models.CharField(max_length=255)
    detail = models.CharField(max_length=20, blank=True, help_text=_("An outcome or a cause."))
    bound = models.CharField(max_length=10, blank=True, help_text=_("The most seconds that a bucket takes."))
    count = models.BigIntegerField()
    seconds = models.FloatField(help_text=_("Their sum, where it was time that was counted."))

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["measure", "queue", "receiver", "detail", "bound"], name="signals_app_tallied_once"
            ),
        )


class Snapshot(models.Model):
    """What ``Tally`` had counted at the beginning of a minute, for charts."""

    minute = models.PositiveBigIntegerField(primary_key=True, help_text=_("Since 1970."))
    totals = models.TextField(help_text=_("By receiver, as JSON."))
