"""The site as a Django app: its commands, its admin, and the templates and statics all its apps share."""

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig


class SigdemoConfig(AppConfig):
    name = "sigdemo"
    verbose_name = "Signals demo"


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
