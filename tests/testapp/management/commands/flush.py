"""Django's ``flush``, which empties the tables after a transactional test, beside clusters that live on."""

from typing import Any

from django.core.management import CommandError
from django.core.management.commands import flush
from django.db import OperationalError

TRIES = 5


class Command(flush.Command):
    """Tries again where PostgreSQL broke a deadlock by it: a cluster locks the tables in an order of its own."""

    def handle(self, **options: Any) -> None:
        """Empty the tables. Raises CommandError as Django's does."""
        for _ in range(TRIES - 1):
            try:
                super().handle(**options)
            except CommandError as error:
                if not _is_deadlock(error.__cause__):
                    raise
            else:
                return
        super().handle(**options)


def _is_deadlock(error: BaseException | None) -> bool:
    return isinstance(error, OperationalError) and "deadlock" in str(error)
