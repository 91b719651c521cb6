"""Tell whether the PostgreSQL of a URL can be used: ``python -m tests.postgresql URL``."""

import sys

import psycopg


def main(url: str) -> str | None:
    """Return None when a connection opens, else what is missing and what to do."""
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        return (
            f"PostgreSQL is missing, so the database tests run on SQLite only: {reason}\n"
            "Start one, or name it in TEST_DATABASE_URL=postgres://USER:PASSWORD@HOST:PORT/NAME; "
            "the user must be allowed to create databases."
        )
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
