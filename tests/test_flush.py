"""Emptying the tables goes on after a deadlock, and after nothing else."""

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import OperationalError, connection

from tests.testapp.management.commands import flush


@pytest.mark.parametrize(
    ("times", "reason", "made", "raises"),
    [(2, "deadlock detected", 3, False), (9, "deadlock detected", 5, True), (1, "no disk", 1, True)],
)
def test_only_a_deadlock_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, times: int, reason: str, made: int, raises: bool
) -> None:
    calls: list[object] = []

    def failing(connection: object) -> None:
        calls.append(connection)
        if len(calls) <= times:
            raise OperationalError(reason)

    monkeypatch.setattr(flush, "empty", failing)
    if raises:
        with pytest.raises(OperationalError, match=reason):
            call_command("flush", interactive=False)
    else:
        call_command("flush", interactive=False)
    assert len(calls) == made


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_rows_go_and_permissions_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flush, "MANY", 1)
    permissions = Permission.objects.count()
    users = [User.objects.create(username=name) for name in ("ada", "grace")]
    users[0].user_permissions.add(Permission.objects.all()[0])

    call_command("flush", interactive=False)

    assert not User.objects.exists()
    assert not User.user_permissions.through.objects.exists()
    assert Permission.objects.count() == permissions > 0
    assert connection.is_usable()
