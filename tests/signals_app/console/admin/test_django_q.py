"""Django-Q's own pages, from which people could run code."""

from pathlib import Path

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django_q.admin import FailAdmin, QueueAdmin, ScheduleAdmin, TaskAdmin
from django_q.models import Failure, OrmQ, Schedule, Success

from signals_app.admin import hide
from tests.sigdemo.test_settings import python

PAGES = ("", "schedule/", "schedule/add/", "failure/", "ormq/", "success/")
REGISTERED = (
    "import django; django.setup()\n"
    "from django.contrib import admin\n"
    "print(*sorted(type(one).__name__ for model, one in admin.site._registry.items() "
    "if model._meta.app_label == 'django_q'))"
)


@pytest.mark.django_db
def test_nobody_sees_them_nor_comes_to_them_by_their_address(client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss"))
    assert {client.get(f"/admin/django_q/{page}").status_code for page in PAGES} == {403, 404}
    assert "django_q" not in client.get("/admin/").content.decode()


def test_a_setting_shows_them(tmp_path: Path) -> None:
    shown = python(tmp_path, "-c", REGISTERED, DEBUG="true", DJANGO_Q_ADMIN="true").stdout.split()
    assert shown == ["FailAdmin", "QueueAdmin", "ScheduleAdmin", "TaskAdmin"]
    assert set(python(tmp_path, "-c", REGISTERED, DEBUG="true").stdout.split()) == {"HiddenAdmin"}


def test_what_a_project_put_in_their_place_stays() -> None:
    class OwnAdmin(ScheduleAdmin):  # type: ignore[misc]  # django_q is not typed
        """Shows schedules to those whom the project trusts."""

    site = admin.AdminSite()
    for model, pages in ((Failure, FailAdmin), (OrmQ, QueueAdmin), (Schedule, OwnAdmin), (Success, TaskAdmin)):
        site.register(model, pages)
    hide(site)
    kept = {model for model, pages in site._registry.items() if type(pages).__name__ != "HiddenAdmin"}
    assert kept == {Schedule}
    site.unregister(Success)
    site.register(Success, TaskAdmin)
