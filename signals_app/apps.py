"""The Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SignalsAppConfig(AppConfig):
    """Connects the app's checks when Django starts."""

    name = "signals_app"
    verbose_name = _("Signals")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from signals_app import checks  # noqa: F401  # models must be loaded first
