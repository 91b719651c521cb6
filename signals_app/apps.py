"""The Django app: what is set up as Django starts, so that a project need not."""

from importlib import import_module
from types import ModuleType

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.signals import connection_created
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

from signals_app.cluster import defaults
from signals_app.conf import VARIABLE, conf, line_of_cluster, main_queue, named_here, q_cluster

TASK_BACKEND = "signals_app.tasks.DeliveryBackend"


class SignalsAppConfig(AppConfig):
    name = "signals_app"
    verbose_name = _("Signals")
    default_auto_field = "django.db.models.BigAutoField"

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        """Give Django-Q its defaults. Raises ImproperlyConfigured where it could not even be imported."""
        super().__init__(app_name, app_module)
        here = named_here()
        if here and "ALT_CLUSTERS" not in q_cluster():
            raise ImproperlyConfigured(
                f"The environment variable {VARIABLE} is {here!r}, but the only cluster of Q_CLUSTER is "
                f"{main_queue()!r}. Unset the variable, or write {line_of_cluster(here)}."
            )
        defaults.fill_in()

    def import_models(self) -> None:
        """Raise ImproperlyConfigured where Django-Q is not installed: its models could not be imported."""
        if not apps.is_installed("django_q"):
            raise ImproperlyConfigured(
                'django_q is not installed, so nothing would run deliveries. Write INSTALLED_APPS += ["django_q"].'
            )
        super().import_models()

    def ready(self) -> None:
        """Prepare connections, register the system checks and find the receivers of all apps."""
        from signals_app import checks, ledger  # noqa: F401  # models must be loaded first

        connection_created.connect(ledger.prepare, dispatch_uid="signals_app.prepare")
        for db in connections.all(initialized_only=True):
            if db.connection is not None:  # somebody was faster
                ledger.prepare(db)
        if settings.DATABASE_ROUTERS:
            defaults.follow_routers()
        labels = list(apps.app_configs)
        if labels.index("django_q") < labels.index(self.label):
            defaults.take_command()
        if has_tasks := TASK_BACKEND in [one.get("BACKEND") for one in getattr(settings, "TASKS", {}).values()]:
            import_module(TASK_BACKEND.rpartition(".")[0])
        if conf.autodiscover:
            autodiscover_modules("receivers", *(["tasks"] if has_tasks else []))
