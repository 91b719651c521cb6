"""Where Django looks for an app's pages: ours are in ``console.admin``, those of Django-Q are hidden.

Whoever may look at a failed task of Django-Q's may have it run again, and whoever may write a schedule names any
function that the workers can import.
"""

from django.contrib import admin
from django.http import HttpRequest
from django_q import admin as django_q_admin
from django_q.models import Failure, OrmQ, Schedule, Success

from signals_app.conf import conf
from signals_app.console.admin import register

__all__ = ["register"]

THEIRS = (django_q_admin.FailAdmin, django_q_admin.QueueAdmin, django_q_admin.ScheduleAdmin, django_q_admin.TaskAdmin)


class HiddenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # of any model
    """Pages that nobody sees. They stay registered, so that a project may replace them as it would Django-Q's."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    has_add_permission = has_module_permission
    has_change_permission = has_delete_permission = has_view_permission


def hide(site: admin.AdminSite) -> None:
    """Hide Django-Q's own pages in a site; those that a project has put in their place stay."""
    for model in (Failure, OrmQ, Schedule, Success):
        if type(site._registry.get(model)) in THEIRS:
            site.unregister(model)
            site.register(model, HiddenAdmin)


if not conf.django_q_admin:
    hide(admin.site)
