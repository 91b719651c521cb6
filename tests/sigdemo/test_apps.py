"""Which pages the site's admin has."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.sigdemo.test_settings import python

CODE = (
    "import django; django.setup()\n"
    "from django.contrib import admin\n"
    "print(*sorted({model._meta.app_label for model in admin.site._registry}))"
)


def registered(tmp_path: Path, **environment: str) -> list[str]:
    """Return the apps that have pages in the admin of a site with this environment."""
    result = python(tmp_path, "-c", CODE, DEBUG="true", **environment)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_the_pages_of_django_q_are_there_only_where_they_are_asked_for(tmp_path: Path) -> None:
    ours = registered(tmp_path)
    assert {"auth", "shop", "signals_app"} <= set(ours)
    assert "django_q" not in ours
    assert registered(tmp_path, DJANGO_Q_ADMIN="true") == sorted([*ours, "django_q"])


@pytest.mark.django_db
def test_they_cannot_be_reached_by_their_address_either(client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss"))
    for page in ("", "schedule/", "schedule/add/", "failure/", "ormq/", "success/"):
        assert client.get(f"/admin/django_q/{page}").status_code == 404
    assert "django_q" not in client.get("/admin/").content.decode()
