"""The lab as a Django app."""

from django.apps import AppConfig


class LabConfig(AppConfig):
    """Runs, their measurements and the signals that ask for work."""

    name = "sigdemo.lab"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Lab"
