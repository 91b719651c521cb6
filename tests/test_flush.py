"""Emptying the tables goes on after a deadlock, and after nothing else."""

import pytest
from django.core.management import CommandError, call_command
from django.core.management.commands import flush
from django.db import OperationalError


def failing(times: int, reason: str) -> tuple[list[int], object]:
    """Return the calls that were made, and a stand-in for Django's command that fails so often."""
    calls: list[int] = []

    def handle(self: object, **options: object) -> None:
        calls.append(1)
        if len(calls) <= times:
            raise CommandError("could not be flushed") from OperationalError(reason)

    return calls, handle


@pytest.mark.parametrize(
    ("times", "reason", "made", "raises"),
    [(2, "deadlock detected", 3, False), (9, "deadlock detected", 5, True), (1, "no disk", 1, True)],
)
def test_only_a_deadlock_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, times: int, reason: str, made: int, raises: bool
) -> None:
    calls, handle = failing(times, reason)
    monkeypatch.setattr(flush.Command, "handle", handle)
    if raises:
        with pytest.raises(CommandError, match="could not be flushed"):
            call_command("flush", interactive=False)
    else:
        call_command("flush", interactive=False)
    assert len(calls) == made
