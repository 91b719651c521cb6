"""manage.py demo_admin."""

import re
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings


def demo_admin(*arguments: str) -> str:
    out = StringIO()
    call_command("demo_admin", *arguments, stdout=out)
    return out.getvalue()


def password_in(output: str) -> str:
    found = re.search(r"password: (\S+)", output)
    assert found, output
    return found[1]


@pytest.fixture(autouse=True)
def _demo(settings: Settings) -> None:
    settings.DEBUG = True


@pytest.mark.django_db
def test_password_is_printed_once_and_works() -> None:
    password = password_in(demo_admin())
    again = demo_admin()

    user = User.objects.get(username="admin")
    assert user.is_superuser
    assert user.check_password(password)
    assert password not in again
    assert "demo_admin --reset makes a new one" in again


@pytest.mark.django_db
def test_reset_makes_a_new_password() -> None:
    first = password_in(demo_admin())

    second = password_in(demo_admin("--reset"))

    assert first != second
    assert User.objects.get(username="admin").check_password(second)


@pytest.mark.django_db
def test_production_has_no_demo_admin(settings: Settings) -> None:
    settings.DEBUG = False

    with pytest.raises(CommandError, match=r"Use manage\.py createsuperuser here"):
        demo_admin()

    assert not User.objects.exists()
