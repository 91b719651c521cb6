"""How the database would run one of the ledger's statements."""

from typing import Any

from django.db import connection

from signals_app.ledger.sql import database, statement


def query_plan(template: str, **parameters: Any) -> str:
    """Return the plan as text, a line for each step, as if the table were large."""
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    bound = database(connection).bind(connection, parameters)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE signals_app_delivery")
            cursor.execute("SET LOCAL enable_seqscan = off")  # a small table is read whole otherwise
        cursor.execute(explain + statement(template, connection.vendor), bound)
        return "\n".join(str(row) for row in cursor.fetchall())
