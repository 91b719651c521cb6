"""Who did what to which delivery: an entry in the admin's history, and a line of log, for each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps

from signals_app.models import Delivery, Pause

if TYPE_CHECKING:  # a project without these apps could not import them
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who acts. Without a user, as from a terminal, nothing enters the admin's history; the log has the name."""

    name: str
    user_id: Any = None  # the primary key, of whatever type the project's user has

    @classmethod
    def of(cls, user: AbstractBaseUser | AnonymousUser) -> Operator:
        """Return a user as operator."""
        return cls(name=user.get_username(), user_id=user.pk)


def remember(rows: Iterable[Delivery | Pause], said: str, by: Operator) -> None:
    """Write what was done to rows of one model into the admin's history, where the project has one."""
    if by.user_id is not None and apps.is_installed("django.contrib.admin"):
        log_entry: Any = apps.get_model("admin", "LogEntry")  # the app runs without the admin, too
        log_entry.objects.log_actions(by.user_id, rows, _CHANGE, said)


_CHANGE = 2  # django.contrib.admin.models.CHANGE, a module that cannot be imported where the admin is not installed
