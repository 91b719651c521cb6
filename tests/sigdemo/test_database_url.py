"""DATABASE_URL: lasting connections, and what a power cut or a server that is cut off may cost."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from sigdemo.database_url import database


def test_sqlite_keeps_its_connections() -> None:
    config = database("sqlite:////srv/shop/db.sqlite3")

    assert config["ENGINE"] == "django.db.backends.sqlite3"
    assert config["NAME"] == "/srv/shop/db.sqlite3"
    assert config["CONN_MAX_AGE"] is None


def test_an_option_in_the_url_wins() -> None:
    assert database("sqlite:///db")["OPTIONS"] == {"init_command": "PRAGMA synchronous=NORMAL"}
    assert database("sqlite:///db?timeout=3&init_command=SELECT")["OPTIONS"] == {"timeout": 3, "init_command": "SELECT"}


def test_postgresql_keeps_connections_for_a_while_and_checks_them() -> None:
    config = database("postgres://shop:p%40ss@db.example.org:5433/shop")

    assert config["ENGINE"] == "django.db.backends.postgresql"
    assert (config["USER"], config["PASSWORD"]) == ("shop", "p@ss")
    assert (config["HOST"], config["PORT"], config["NAME"]) == ("db.example.org", 5433, "shop")
    assert config["CONN_MAX_AGE"] == 600
    assert config["CONN_HEALTH_CHECKS"]


def test_postgresql_is_given_up_when_it_is_cut_off() -> None:
    assert database("postgres://shop@db/shop")["OPTIONS"]["tcp_user_timeout"] == 30_000
    options = database("postgres://shop@db/shop?tcp_user_timeout=5000&sslmode=require")["OPTIONS"]
    assert (int(options["tcp_user_timeout"]), options["connect_timeout"]) == (5000, 10)
    assert options["sslmode"] == "require"


@pytest.mark.parametrize("url", ["", "shop", "sqlit:///x", "postgres://u:hush@host:port/shop"])
def test_a_url_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL cannot be read") as caught:
        database(url)

    assert "Write sqlite:///PATH or postgres://USER:PASSWORD@HOST:PORT/NAME" in str(caught.value)
    assert "hush" not in str(caught.value)
