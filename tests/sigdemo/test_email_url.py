"""EMAIL_URL, in the two forms that Django's mail settings have."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from sigdemo.email_url import mail_settings

SMTP = {
    "host": "mail.example.org",
    "port": 2525,
    "username": "shop@example.org",
    "password": "p/ss",
    "use_tls": True,
    "use_ssl": False,
    "timeout": 10,
}
URL = "smtp+tls://shop%40example.org:p%2Fss@mail.example.org:2525"


def test_smtp_becomes_a_mailer_from_django_6_1_on() -> None:
    assert mail_settings(URL, version=(6, 1)) == {
        "MAILERS": {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": SMTP}}
    }


def test_smtp_becomes_email_settings_before_django_6_1() -> None:
    assert mail_settings(URL, version=(5, 2)) == {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": "mail.example.org",
        "EMAIL_PORT": 2525,
        "EMAIL_HOST_USER": "shop@example.org",
        "EMAIL_HOST_PASSWORD": "p/ss",
        "EMAIL_USE_TLS": True,
        "EMAIL_USE_SSL": False,
        "EMAIL_TIMEOUT": 10,
    }


@pytest.mark.parametrize(
    ("url", "port", "tls", "ssl"),
    [("smtp:", 25, False, False), ("smtp+tls:", 587, True, False), ("smtps:", 465, False, True)],
)
def test_each_kind_of_smtp_has_its_port(url: str, port: int, tls: bool, ssl: bool) -> None:
    found = mail_settings(url, version=(5, 2))

    assert found["EMAIL_HOST"] == "localhost"
    assert (found["EMAIL_PORT"], found["EMAIL_USE_TLS"], found["EMAIL_USE_SSL"]) == (port, tls, ssl)


@pytest.mark.parametrize(
    ("url", "backend", "options"),
    [
        ("file:///srv/my%20mail", "filebased", {"file_path": "/srv/my mail"}),
        ("console:", "console", {}),
        ("memory:", "locmem", {}),
        ("dummy:", "dummy", {}),
    ],
)
def test_mail_that_stays_here(url: str, backend: str, options: dict[str, Any]) -> None:
    mailer = mail_settings(url, version=(6, 1))["MAILERS"]["default"]

    assert mailer["BACKEND"] == f"django.core.mail.backends.{backend}.EmailBackend"
    assert mailer["OPTIONS"] == options


@pytest.mark.parametrize("url", ["", "mail.example.org", "pigeon://x", "smtp://u:hush@host:port"])
def test_a_url_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL cannot be read") as caught:
        mail_settings(url)

    assert "smtp+tls://USER:PASSWORD@HOST:PORT" in str(caught.value)
    assert "hush" not in str(caught.value)
