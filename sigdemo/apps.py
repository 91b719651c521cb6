"""The site as a Django app: its commands, its admin, and the templates and statics all its apps share."""

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004 (Django's own name)


class SigdemoConfig(AppConfig):
    name = "sigdemo"
    verbose_name = "Signals demo"


@register(Tags.security)
def check_files(**_: object) -> list[CheckMessage]:
    """Warn of data and of secrets that every user of the machine can read."""
    found = {settings.VAR_DIR: "where orders, mails and invoices are", settings.ENV_FILE: "where secrets may be"}
    return [
        Warning(
            f"Other users of this machine can look into {path}, {what}.",
            hint=f"Run: chmod go= {path}",
            id="sigdemo.W001",
        )
        for path, what in found.items()
        if (path.is_dir() or path.is_file()) and path.stat().st_mode & 0o077
    ]


class SiteAdminConfig(AdminConfig):
    """The admin without Django-Q's own pages, unless ``DJANGO_Q_ADMIN`` asks for them.

    There, whoever may look at a task that failed may have it run again and deleted, and whoever may write a schedule
    names any function that the workers can import.
    """

    def ready(self) -> None:
        """Find every app's pages, then take Django-Q's away."""
        super().ready()
        if not settings.DJANGO_Q_ADMIN:
            models = apps.get_app_config("django_q").get_models()
            admin.site.unregister([model for model in models if admin.site.is_registered(model)])
