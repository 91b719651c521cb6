"""``DATABASE_URL`` as an entry of Django's ``DATABASES``."""

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

# A commit does not wait for the disk: a power cut may take the last ones, and corrupts nothing.
SQLITE_OPTIONS = {"init_command": "PRAGMA synchronous=NORMAL"}

# A server that is cut off answers nothing, not even that it is gone; TCP alone would wait for a quarter of an hour
# for what was sent, and for ever for an answer.
POSTGRESQL_OPTIONS = {
    "connect_timeout": 10,  # seconds
    "keepalives_idle": 10,  # seconds of silence before the server is asked whether it is still there
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds that what was sent may stay without a sign of its arrival
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
    if config["ENGINE"] == "django.db.backends.postgresql":
        config["OPTIONS"] = POSTGRESQL_OPTIONS | config.get("OPTIONS", {})
    return config
