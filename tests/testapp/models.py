"""Rows that test receivers write, so that effects can be counted from another process."""

from django.db import models


class Effect(models.Model):
    """One execution of a test receiver."""

    label = models.CharField(max_length=100)
    delivery_id = models.BigIntegerField(default=0)
    attempt = models.IntegerField(default=0)
    pid = models.IntegerField(default=0)
    detail = models.TextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.label} of delivery {self.delivery_id}"


class Thing(models.Model):
    """Something to send signals about."""

    name = models.CharField(max_length=100)
    friends = models.ManyToManyField("self", blank=True)

    def __str__(self) -> str:
        return self.name
