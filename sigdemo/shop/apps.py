"""The shop as a Django app."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Products, orders and the signal that an order sends."""

    name = "sigdemo.shop"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Shop"
