"""What the demo's own warehouse keeps: a stand-in for a service of somebody else."""

from django.db import models
from django.db.models import F
from django.utils import timezone


class WarehouseNotice(models.Model):
    """A notice of an order that the warehouse accepted, once per idempotency ``key``."""

    key = models.CharField(max_length=200, unique=True)
    order_number = models.CharField(max_length=20, db_index=True)
    body = models.JSONField()
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-received_at", "-id")

    def __str__(self) -> str:
        return f"Notice of {self.order_number}"

    @property
    def pieces(self) -> int:
        """How many pieces the notice asks the warehouse to pack."""
        return sum(line["quantity"] for line in self.body["lines"])


class WarehouseOutage(models.Model):
    """The switch that makes the warehouse fail: how many requests it still refuses. One row."""

    THE_ROW = 1

    failures_left = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"The warehouse refuses the next {self.failures_left} requests"

    @classmethod
    def plan(cls, failures: int) -> None:
        """Make the warehouse refuse the next ``failures`` requests, whatever was planned before."""
        cls.objects.update_or_create(pk=cls.THE_ROW, defaults={"failures_left": failures})

    @classmethod
    def left(cls) -> int:
        """Return how many requests the warehouse will still refuse."""
        row = cls.objects.filter(pk=cls.THE_ROW).first()
        return row.failures_left if row else 0

    @classmethod
    def strikes(cls) -> bool:
        """Use up one planned failure; true when there was one. Safe between processes."""
        planned = cls.objects.filter(pk=cls.THE_ROW, failures_left__gt=0)
        return planned.update(failures_left=F("failures_left") - 1) == 1
