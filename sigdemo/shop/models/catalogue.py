"""What is for sale."""

from django.core.validators import MinValueValidator
from django.db import models

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
