"""What the receivers fetch."""

from typing import ClassVar, Self

from django.db import models


class Order(models.Model):
    """An order as a small shop has it; a receiver takes as long as it says."""

    customer = models.CharField(max_length=100)
    email = models.EmailField()
    address = models.TextField(blank=True)
    total = models.DecimalField(max_digits=10, decimal_places=2)
    placed_at = models.DateTimeField(auto_now_add=True)
    seconds = models.FloatField(default=0)

    objects: ClassVar[models.Manager[Self]] = models.Manager()
