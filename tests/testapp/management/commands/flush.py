"""``flush`` as the tests need it after each transactional test: quick, and beside clusters that live on."""

from typing import Any

from django.core.management.commands import flush
from django.db import OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

TRIES = 5
KEPT = {"django_content_type", "auth_permission"}  # to make them anew, as Django's does, takes longer than most tests
MANY = 1000  # deleted rows that PostgreSQL had better not step over later


class Command(flush.Command):
    """Deletes the rows of each table but the kept ones, where Django's truncates the tables.

    It tries again where PostgreSQL broke a deadlock by it: a cluster locks rows in an order of its own.
    """

    def handle(self, **options: Any) -> None:
        """Empty the tables. Raises OperationalError where that fails."""
        connection = connections[options["database"]]
        for _ in range(TRIES - 1):
            try:
                return empty(connection)
            except OperationalError as error:
                if "deadlock" not in str(error):
                    raise
        return empty(connection)


def empty(connection: BaseDatabaseWrapper) -> None:
    """Delete all rows of a database but those of the kept tables."""
    tables = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - KEPT
    long = []
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for table in sorted(tables):
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")
            if cursor.rowcount > MANY:
                long.append(table)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for table in long:
                cursor.execute(f"VACUUM {connection.ops.quote_name(table)}")
