"""``DATABASE_URL`` as an entry of Django's ``DATABASES``."""

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

SQLITE_OPTIONS = {
    # A transaction that reads and then writes would otherwise ask for the write lock half-way,
    # where SQLite can only refuse it; asking at the start lets it wait.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,  # seconds to wait for that lock
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}


def database(url: str) -> dj_database_url.DBConfig:
    """Return the settings for the database at url; options in its query win over ours.

    Raises ImproperlyConfigured when it cannot be read, without repeating it (the password).
    """
    try:
        config = dj_database_url.parse(url)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"DATABASE_URL cannot be read: {error} Write sqlite:///PATH or "
            "postgres://USER:PASSWORD@HOST:PORT/NAME, with special characters percent-encoded."
        ) from None
    if config["ENGINE"] == "django.db.backends.sqlite3":
        config["OPTIONS"] = SQLITE_OPTIONS | config.get("OPTIONS", {})
        config["CONN_MAX_AGE"] = None
    else:
        config["CONN_MAX_AGE"] = 600
        config["CONN_HEALTH_CHECKS"] = True
    return config
