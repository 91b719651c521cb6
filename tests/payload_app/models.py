"""One model for each way a model can be made; the app has no migrations, so its tables are made from here."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any, Self
from uuid import uuid4

from django.db import models
from django.db.models.functions import Now

from tests.payload_app.fields import MoneyField, PhoneField, SpanField


class Plain(models.Model):
    name = models.CharField(max_length=50)


class PlainProxy(Plain):
    class Meta:
        proxy = True


class ByUuid(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4)


class ByCode(models.Model):
    code = models.CharField(max_length=20, primary_key=True)


class ByPair(models.Model):
    pk = models.CompositePrimaryKey("shelf", "number")
    shelf = models.CharField(max_length=10)
    number = models.IntegerField()


class Parent(models.Model):
    title = models.CharField(max_length=50)


class Child(Parent):
    age = models.IntegerField()


class Everything(models.Model):
    kind = models.CharField(max_length=1, choices=[("s", "small"), ("l", "large")], default="s")
    price = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal("1.10"))
    options: models.JSONField[Any, Any] = models.JSONField(default=dict)
    paper = models.FileField(upload_to="papers", blank=True)
    raw = models.BinaryField(default=b"")
    plain = models.ForeignKey(Plain, on_delete=models.CASCADE, null=True)
    made_at = models.DateTimeField(null=True)
    lasts = models.DurationField(null=True)


class Counted(models.Manager["Managed"]):
    def get_queryset(self) -> models.QuerySet[Managed]:
        return super().get_queryset().annotate(twice=models.F("pk") * 2)


class Managed(models.Model):
    """Its base manager is the project's, and adds to what it fetches."""

    objects = models.Manager()
    counted = Counted()

    class Meta:
        base_manager_name = "counted"


class Remade(models.Model):
    """It looks at its rows as they come."""

    name = models.CharField(max_length=10, default="remade")

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **kwargs: Any) -> Self:
        made = super().from_db(db, field_names, values, **kwargs)
        made.as_loaded = made.name  # type: ignore[attr-defined]
        return made


class Tagged(models.Model):
    plains = models.ManyToManyField(Plain)


class Picky(models.Model):
    """Its constructor asks for more than the database has."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self._state.adding or self.pk:
            raise KeyError("size")


class Shown(models.Manager["Coded"]):
    def get_queryset(self) -> models.QuerySet[Coded]:
        return super().get_queryset().none()


class Coded(models.Model):
    """Its key is an object; its default manager does not show every row, its base manager does."""

    phone = PhoneField(max_length=20, primary_key=True)
    objects = Shown()


class CodedPart(models.Model):
    coded = models.OneToOneField(Coded, models.CASCADE, primary_key=True)


class Offer(models.Model):
    """Its fields give objects; a default is the database's."""

    currency = models.CharField(max_length=3, default="EUR")
    cost = MoneyField(max_digits=9, decimal_places=2, default=0)
    phone = PhoneField(max_length=20, null=True)
    span = SpanField(null=True)
    at = models.DateTimeField(db_default=Now())
