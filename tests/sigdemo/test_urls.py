"""DATABASE_URL and EMAIL_URL: what each form of them sets, and what is refused without its password."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from sigdemo.database_url import database
from sigdemo.email_url import mail_settings

SMTP_URL = "smtp+tls://shop%40example.org:p%2Fss@mail.example.org:2525"
SMTP = {"host": "mail.example.org", "port": 2525, "username": "shop@example.org", "password": "p/ss"}
SMTP |= {"use_tls": True, "use_ssl": False, "timeout": 10}


def test_sqlite_keeps_its_connections() -> None:
    config = database("sqlite:////srv/shop/db.sqlite3")
    assert (config["ENGINE"], config["NAME"]) == ("django.db.backends.sqlite3", "/srv/shop/db.sqlite3")
    assert (config["CONN_MAX_AGE"], config["OPTIONS"]) == (None, {"init_command": "PRAGMA synchronous=NORMAL"})
    options = database("sqlite:///db?timeout=3&init_command=SELECT")["OPTIONS"]
    assert options == {"timeout": 3, "init_command": "SELECT"}


def test_postgresql_keeps_connections_for_a_while_and_is_given_up_when_it_is_cut_off() -> None:
    config = database("postgres://shop:p%40ss@db.example.org:5433/shop")
    assert config["ENGINE"] == "django.db.backends.postgresql"
    assert (config["USER"], config["PASSWORD"]) == ("shop", "p@ss")
    assert (config["HOST"], config["PORT"], config["NAME"]) == ("db.example.org", 5433, "shop")
    assert (config["CONN_MAX_AGE"], config["CONN_HEALTH_CHECKS"]) == (600, True)
    assert config["OPTIONS"]["tcp_user_timeout"] == 30_000
    options = database("postgres://shop@db/shop?tcp_user_timeout=5000&sslmode=require")["OPTIONS"]
    assert (int(options["tcp_user_timeout"]), options["connect_timeout"]) == (5000, 10)
    assert options["sslmode"] == "require"


def test_smtp_becomes_a_mailer_from_django_6_1_on_and_settings_before() -> None:
    backend = "django.core.mail.backends.smtp.EmailBackend"
    mailers = {"default": {"BACKEND": backend, "OPTIONS": SMTP}}
    assert mail_settings(SMTP_URL, version=(6, 1)) == {"MAILERS": mailers}
    names = {"username": "HOST_USER", "password": "HOST_PASSWORD"}
    older = {f"EMAIL_{names.get(name, name.upper())}": value for name, value in SMTP.items()}
    assert mail_settings(SMTP_URL, version=(5, 2)) == {"EMAIL_BACKEND": backend, **older}


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
        *((f"{name}:", name.replace("memory", "locmem"), {}) for name in ("console", "memory", "dummy")),
    ],
)
def test_mail_that_stays_here(url: str, backend: str, options: dict[str, Any]) -> None:
    mailer = mail_settings(url, version=(6, 1))["MAILERS"]["default"]
    assert mailer == {"BACKEND": f"django.core.mail.backends.{backend}.EmailBackend", "OPTIONS": options}


@pytest.mark.parametrize(
    ("read", "url", "advice"),
    [
        *(
            (database, url, "Write sqlite:///PATH or postgres://USER:PASSWORD@HOST:PORT/NAME")
            for url in ("", "shop", "sqlit:///x", "postgres://u:hush@host:port/shop")
        ),
        *(
            (mail_settings, url, "smtp+tls://USER:PASSWORD@HOST:PORT")
            for url in ("", "mail.example.org", "pigeon://x", "smtp://u:hush@host:port")
        ),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_its_password(read: Any, url: str, advice: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"(DATABASE|EMAIL)_URL cannot be read") as caught:
        read(url)
    assert advice in str(caught.value)
    assert "hush" not in str(caught.value)
