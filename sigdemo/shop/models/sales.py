"""What was sold, added up by day."""

from decimal import Decimal

from django.db import models

from sigdemo.shop.models.catalogue import Product


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
