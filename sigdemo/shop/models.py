"""What the shop remembers."""

import uuid
from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from sigdemo.shop import money


class Product(models.Model):
    """A thing for sale: ``price`` in euros with tax, ``stock`` in pieces."""

    sku = models.SlugField("SKU", max_length=40, unique=True)
    name = models.CharField(max_length=80)
    blurb = models.CharField(max_length=200, blank=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, validators=[MinValueValidator(money.CENT)])
    stock = models.PositiveIntegerField(default=0)
    active = models.BooleanField(default=True, help_text="Shown in the shop and sold.")

    class Meta:
        ordering = ("name", "id")
        constraints = (
            models.CheckConstraint(condition=models.Q(price__gt=0), name="shop_price_positive"),
            models.CheckConstraint(condition=models.Q(stock__gte=0), name="shop_stock_not_negative"),
        )

    def __str__(self) -> str:
        return self.name


LOW_STOCK = 5  # pieces, of which those who buy hear


class StockNotice(models.Model):
    """What those who buy were told: how many pieces of a product were left."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="+")
    stock = models.PositiveIntegerField()
    noticed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-noticed_at", "-id")

    def __str__(self) -> str:
        return f"{self.stock} x {self.product}"


MOST_PIECES = 99  # of one product in one order


class Order(models.Model):
    """An order as it was placed. ``total`` and ``tax`` are euros, the tax is part of the total.

    ``token`` is the form's: one form places one order. ``emission`` names the deliveries that the
    order's signal handed off, empty when there were none. ``placed_by`` is the web process, host:pid.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    token = models.UUIDField(unique=True, editable=False)
    name = models.CharField(max_length=100)
    email = models.EmailField("e-mail", max_length=254)
    total = models.DecimalField(max_digits=10, decimal_places=2)
    tax = models.DecimalField(max_digits=10, decimal_places=2)
    tax_rate = models.DecimalField(max_digits=4, decimal_places=3, default=money.TAX_RATE)
    emission = models.UUIDField(null=True, blank=True, editable=False)
    placed_at = models.DateTimeField(default=timezone.now, db_index=True)
    placed_by = models.CharField(max_length=255)

    class Meta:
        ordering = ("-placed_at", "-id")

    def __str__(self) -> str:
        return self.number

    def get_absolute_url(self) -> str:
        return reverse("shop:order", args=[self.public_id])

    @property
    def number(self) -> str:
        """The order's number as people and the warehouse write it."""
        return f"SO-{self.pk:06d}" if self.pk else "SO-new"

    @property
    def net(self) -> Decimal:
        """The total without the tax, in euros."""
        return self.total - self.tax


class OrderLine(models.Model):
    """One product of an order, with name and price (euros with tax) as they were that day."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=80)
    unit_price = models.DecimalField(max_digits=8, decimal_places=2)
    quantity = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(MOST_PIECES)])

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("order", "product"), name="shop_line_once_per_product"),
            models.CheckConstraint(condition=models.Q(quantity__gte=1), name="shop_line_quantity_positive"),
        )

    def __str__(self) -> str:
        return f"{self.quantity} x {self.name}"

    @property
    def total(self) -> Decimal:
        """The line's price in euros, tax included."""
        return self.unit_price * self.quantity


class Invoice(models.Model):
    """The rendered invoice of an order, a PDF in the default storage."""

    order = models.OneToOneField(Order, on_delete=models.CASCADE, related_name="invoice")
    file = models.FileField(upload_to="invoices/")
    stored_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-stored_at",)

    def __str__(self) -> str:
        return f"Invoice of {self.order}"


class DailySales(models.Model):
    """The pieces of a product sold on one day and what they brought (euros, tax included)."""

    date = models.DateField()
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="daily_sales")
    quantity = models.PositiveIntegerField(default=0)
    revenue = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))

    class Meta:
        ordering = ("-date", "product")
        verbose_name_plural = "daily sales"
        constraints = (models.UniqueConstraint(fields=("date", "product"), name="shop_sales_once_per_day"),)

    def __str__(self) -> str:
        return f"{self.date}: {self.quantity} x {self.product}"


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
