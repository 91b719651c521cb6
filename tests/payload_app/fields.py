"""Fields whose values are objects, of each kind that apps make: amounts of money, phone numbers, ranges."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import models


class Money:
    """An amount and its currency."""

    def __init__(self, amount: Decimal, currency: str) -> None:
        self.amount = amount
        self.currency = currency

    def __str__(self) -> str:
        return f"{self.currency} {self.amount}"


class _Purse:
    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else instance.__dict__["cost"]

    def __set__(self, instance: Any, value: Any) -> None:
        if isinstance(value, Money):
            instance.currency = value.currency
        elif value is not None and not hasattr(value, "resolve_expression"):
            value = Money(Decimal(value), instance.__dict__.get("currency", "EUR"))
        instance.__dict__["cost"] = value


class MoneyField(models.DecimalField):  # type: ignore[type-arg]
    """Stores an amount and gives ``Money`` of the currency that another column tells."""

    def contribute_to_class(self, cls: Any, name: str, *args: Any, **kwargs: Any) -> None:
        super().contribute_to_class(cls, name, *args, **kwargs)
        setattr(cls, name, _Purse())

    def to_python(self, value: Any) -> Any:
        return super().to_python(value.amount if isinstance(value, Money) else value)

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(value)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        return super().get_db_prep_save(self.to_python(value), connection)


class Phone(str):  # noqa: SLOT000 - as such libraries do
    """A text that knows its country."""

    country: str

    def __new__(cls, text: str) -> Phone:
        phone = super().__new__(cls, text)
        phone.country = text[1:3]
        return phone


class PhoneField(models.CharField):  # type: ignore[type-arg]
    """Gives a ``Phone``."""

    def from_db_value(self, value: str | None, *args: Any) -> Phone | None:
        return None if value is None else Phone(value)

    def to_python(self, value: Any) -> Any:
        return value if value is None else Phone(str.__str__(value))


@dataclass
class Span:
    """As a range of a driver is; no field of its own may be lost."""

    low: int
    high: int

    def __post_init__(self) -> None:
        self.bounds = "[)"


class SpanField(models.TextField):  # type: ignore[type-arg]
    """Gives a ``Span``, which serializers write as JSON."""

    def from_db_value(self, value: str | None, *args: Any) -> Span | None:
        return None if value is None else Span(**json.loads(value))

    def to_python(self, value: Any) -> Any:
        return Span(**json.loads(value)) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        return value if value is None else json.dumps({"low": value.low, "high": value.high})

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.get_prep_value(self.value_from_object(obj)))
