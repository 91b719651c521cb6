"""manage.py demo_admin."""

import re
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings

pytestmark = pytest.mark.django_db


def demo_admin(*arguments: str) -> str:
    out = StringIO()
    call_command("demo_admin", *arguments, stdout=out)
    return out.getvalue()


def test_a_password_is_printed_once_and_works_until_it_is_reset(settings: Settings) -> None:
    settings.DEBUG = True
    [first], again = re.findall(r"password: (\S+)", demo_admin()), demo_admin()
    user = User.objects.get(username="admin")
    assert user.is_superuser
    assert user.check_password(first)
    assert first not in again
    assert "demo_admin --reset makes a new one" in again
    [second] = re.findall(r"password: (\S+)", demo_admin("--reset"))
    assert first != second
    assert User.objects.get(username="admin").check_password(second)


def test_production_has_no_demo_admin() -> None:
    with pytest.raises(CommandError, match=r"Use manage\.py createsuperuser here"):
        demo_admin()
    assert not User.objects.exists()
