"""The Django app."""

from types import ModuleType

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from signals_app.conf import VARIABLE, main_queue, named_here, q_cluster


class SignalsAppConfig(AppConfig):
    """Connects the app's checks when Django starts."""

    name = "signals_app"
    verbose_name = _("Signals")
    default_auto_field = "django.db.models.BigAutoField"

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        """Raise ImproperlyConfigured where Django-Q, the next app, could not even be imported."""
        super().__init__(app_name, app_module)
        here = named_here()
        if here and "ALT_CLUSTERS" not in q_cluster():
            raise ImproperlyConfigured(
                f"The environment variable {VARIABLE} is {here!r}, but the only cluster of Q_CLUSTER is "
                f'{main_queue()!r}. Unset the variable, or write Q_CLUSTER["ALT_CLUSTERS"] = {{"{here}": {{}}}}.'
            )

    def ready(self) -> None:
        """Register the system checks."""
        from signals_app import checks  # noqa: F401  # models must be loaded first
