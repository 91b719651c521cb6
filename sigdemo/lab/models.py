"""What was measured: a run, its lanes (one per way), and a span for each attempt of each receiver.

Moments are wall-clock, for placing; durations are seconds by the monotonic clock.
"""

import uuid

from django.db import models
from django.urls import reverse
from django.utils import timezone

from sigdemo.lab.kinds import Death, Guess, Kind, Outcome, Way


class LabRun(models.Model):
    """One setting of the lab, sent one or more ways."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    seconds = models.FloatField(help_text="How long the work of one receiver is asked to take.")
    fan_out = models.PositiveSmallIntegerField(help_text="How many receivers do the work.")
    death = models.CharField(max_length=10, choices=Death.choices, blank=True, help_text="Set in a crash test.")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    client = models.CharField(max_length=64, blank=True, db_index=True, help_text="Who asked, as a keyed hash.")
    slot = models.PositiveSmallIntegerField(
        null=True, blank=True, unique=True, help_text="Held while it is under way: what bounds how many run at a time."
    )
    gil = models.BooleanField(null=True, help_text="Whether the web process had its GIL enabled; empty: unknown.")
    idle_pings = models.JSONField(default=list, help_text="Milliseconds, while nothing ran.")
    guess = models.CharField(max_length=10, choices=Guess.choices, blank=True, help_text="Made before the run.")
    crash_of = models.OneToOneField(
        "self", on_delete=models.CASCADE, null=True, related_name="crash", help_text="The run that this crash ends."
    )

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.seconds:g} s, {self.fan_out} receiver{'s' * (self.fan_out > 1)}"

    def get_absolute_url(self) -> str:
        return reverse("lab:run", args=[self.public_id])

    @property
    def is_crash_test(self) -> bool:
        """Whether processes were killed in it."""
        return bool(self.death)


class LabLane(models.Model):
    """One way of a run: the request that got the work done, or had it done."""

    run = models.ForeignKey(LabRun, on_delete=models.CASCADE, related_name="lanes")
    way = models.CharField(max_length=12, choices=Way.choices)
    position = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField(null=True, blank=True, help_text="When the request came in.")
    answered_after = models.FloatField(null=True, blank=True, help_text="Seconds until the answer had left.")
    error = models.CharField(max_length=200, blank=True, help_text="What the visitor would have seen as an error 500.")
    host = models.CharField(max_length=255, blank=True)
    pid = models.PositiveIntegerField(null=True, blank=True)
    thread = models.CharField(max_length=100, blank=True)
    pings = models.JSONField(default=list, help_text="Milliseconds, while this lane was under way.")

    class Meta:
        ordering = ("run", "position")
        constraints = (models.UniqueConstraint(fields=("run", "way"), name="lab_one_lane_per_way"),)

    def __str__(self) -> str:
        return f"{self.get_way_display()} of run {self.run_id}"

    def seats(self) -> range:
        """Return the numbers of its receivers, from 1."""
        return range(1, self.run.fan_out + 1)


class LabSpan(models.Model):
    """One attempt of one receiver, written by that receiver itself; without ``seconds`` it has not ended."""

    lane = models.ForeignKey(LabLane, on_delete=models.CASCADE, related_name="spans")
    seat = models.PositiveSmallIntegerField(help_text="Which receiver of the fan-out, from 1.")
    attempt = models.PositiveSmallIntegerField(default=1)
    enqueued_at = models.DateTimeField(null=True, blank=True, help_text="When its delivery was written.")
    started_at = models.DateTimeField()
    seconds = models.FloatField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    error = models.CharField(max_length=200, blank=True)
    owner = models.CharField(max_length=255, help_text="The identity of the process.")
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    thread = models.CharField(max_length=100)
    lost_after = models.FloatField(null=True, blank=True, help_text="Seconds until its process was killed, if known.")

    class Meta:
        ordering = ("lane", "seat", "attempt", "id")

    def __str__(self) -> str:
        return f"Receiver {self.seat}, attempt {self.attempt}, of lane {self.lane_id}"
