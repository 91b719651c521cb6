"""An app of models of every make, for the tests of signal arguments."""

from django.apps import AppConfig


class PayloadAppConfig(AppConfig):
    name = "tests.payload_app"
    default_auto_field = "django.db.models.BigAutoField"
