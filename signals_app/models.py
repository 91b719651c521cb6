"""The record: one row per delivery, one per attempt that ended badly. States are written by the ledger alone."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class State(models.TextChoices):
    """Where a delivery stands."""

    READY = "READY", _("ready")
    RUNNING = "RUNNING", _("running")
    SUCCESSFUL = "SUCCESSFUL", _("successful")
    FAILED = "FAILED", _("failed")
    CANCELLED = "CANCELLED", _("cancelled")


FINAL_STATES = (State.SUCCESSFUL, State.FAILED, State.CANCELLED)


class Outcome(models.TextChoices):
    """How an attempt that did not succeed ended."""

    ERROR = "ERROR", _("error")
    TIMEOUT = "TIMEOUT", _("timeout")
    LOST = "LOST", _("lost")
    RETRY_AFTER = "RETRY_AFTER", _("retry after")
    STALE = "STALE", _("stale")


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
    state = models.CharField(max_length=10, choices=State.choices, default=State.READY)
    due_at = models.DateTimeField(help_text=_("Not claimed before."))
    enqueued_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField()
    losses = models.PositiveIntegerField(default=0, help_text=_("Attempts that were lost with their worker."))
    owner = models.CharField(max_length=255, blank=True, help_text=_("The process that holds it."))
    token = models.PositiveIntegerField(default=0, help_text=_("Which hold it is; grows with each claim."))
    lease_until = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    progress_done = models.PositiveBigIntegerField(default=0)
    progress_total = models.PositiveBigIntegerField(default=0)
    unroutable = models.BooleanField(
        default=False, help_text=_("The last worker that claimed it did not know its receiver.")
    )

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        permissions = (
            ("retry_delivery", "Can retry delivery"),
            ("cancel_delivery", "Can cancel delivery"),
        )
        indexes = (
            # the claim: a band of one priority, by due time
            models.Index(
                fields=["queue", "-priority", "due_at", "id"],
                name="signals_app_claim",
                condition=Q(state="READY"),
            ),
            # the look of a pusher: is anything due, and when will it be
            models.Index(fields=["queue", "due_at"], name="signals_app_due", condition=Q(state="READY")),
            models.Index(
                fields=["queue", "lease_until"],
                name="signals_app_running",
                condition=Q(state="RUNNING"),
            ),
            models.Index(fields=["emission"], name="signals_app_emission"),
        )

    def __str__(self) -> str:
        return f"{self.receiver} #{self.pk}"


class Attempt(models.Model):
    """One execution of a delivery that ended badly."""

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="bad_ends")
    number = models.PositiveIntegerField(help_text=_("1 for the first attempt of the delivery."))
    owner = models.CharField(max_length=255)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField()
    outcome = models.CharField(max_length=11, choices=Outcome.choices)
    error_class = models.CharField(max_length=255, blank=True)
    message = models.TextField(blank=True)
    traceback = models.TextField(blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ("delivery_id", "number", "id")

    def __str__(self) -> str:
        return f"{self.delivery_id} attempt {self.number}: {self.outcome}"


class ClusterStat(models.Model):
    """What a Django-Q cluster last said of itself (Django-Q's own signed package), for hosts without a shared cache."""

    key = models.CharField(max_length=255, primary_key=True)
    queue = models.CharField(max_length=100)
    host = models.CharField(max_length=255)
    package = models.TextField()
    seen_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("cluster")

    def __str__(self) -> str:
        return f"{self.queue} at {self.host}"


class IdleQueue(models.Model):
    """A queue whose pushers sleep until ``until``; a sender on PostgreSQL wakes them with NOTIFY."""

    queue = models.CharField(max_length=100, primary_key=True)
    until = models.DateTimeField()

    class Meta:
        verbose_name = _("idle queue")

    def __str__(self) -> str:
        return self.queue
