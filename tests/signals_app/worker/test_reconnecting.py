"""Asking a database again that is away."""

import pytest
from django.db import (
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)

from signals_app.worker.connections import reconnect, retry_while_unavailable

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.mark.parametrize("kind", [InterfaceError, InternalError, NotSupportedError, ProgrammingError])
def test_it_asks_again_on_a_new_connection_until_the_database_answers(
    kind: type[Error], caplog: pytest.LogCaptureFixture
) -> None:
    connection.ensure_connection()
    first = connection.connection
    errors = [
        kind("cannot execute UPDATE in a read-only transaction"),
        OperationalError("the database system is starting up"),
    ]

    def work() -> object:
        if errors:
            raise errors.pop()
        connection.ensure_connection()
        return connection.connection

    assert retry_while_unavailable(work, seconds=30) is not first
    assert caplog.messages == ["The database is asked again for up to 30 s: the database system is starting up"]


def test_it_gives_up_when_the_time_is_over() -> None:
    tries = []

    def work() -> None:
        tries.append(1)
        raise OperationalError("database is locked")

    with pytest.raises(OperationalError, match="database is locked"):
        retry_while_unavailable(work, seconds=0.2)
    assert len(tries) > 1


@pytest.mark.parametrize("kind", [DataError, IntegrityError])
def test_it_does_not_ask_again_where_a_value_is_refused(kind: type[Error]) -> None:
    errors = [kind("no such delivery")]

    def work() -> None:
        raise errors.pop()

    with pytest.raises(kind):
        retry_while_unavailable(work, seconds=30)


def test_it_does_not_ask_again_within_a_transaction() -> None:
    errors = [OperationalError("server closed the connection unexpectedly")]

    def work() -> None:
        raise errors.pop()

    with transaction.atomic():
        assert not reconnect(OperationalError("gone"))
        with pytest.raises(OperationalError):
            retry_while_unavailable(work, seconds=30)
