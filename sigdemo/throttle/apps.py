"""The throttle as a Django app."""

from django.apps import AppConfig


class ThrottleConfig(AppConfig):
    """Counts of what visitors tried."""

    name = "sigdemo.throttle"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Throttle"
