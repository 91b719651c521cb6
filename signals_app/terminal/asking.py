"""Who changes something, and whether they mean it."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.core.management.base import CommandError

from signals_app.operations import Operator
from signals_app.terminal.screen import Options, Terminal


def add_assent(parser: ArgumentParser) -> None:
    """Take ``--dry-run`` and ``--yes``."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and do nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask; needed where nobody can be asked")


def add_operator(parser: ArgumentParser) -> None:
    """Take ``--as``."""
    parser.add_argument("--as", dest="user", default="", metavar="USER", help="who does it, for the admin's history")


def assented(options: Options, terminal: Terminal, question: str) -> bool:
    """Tell whether to go on: because ``--yes`` was said, or whoever sits here says so."""
    return bool(options["yes"]) or terminal.agree(question)


def operator_of(options: Options, permission: str) -> Operator:
    """Return the user that ``--as`` names.

    Raises CommandError where there is none, or the user may not do it in the admin either. A project without the admin
    has no history that a user would be entered in; there ``--as`` may be left out.
    """
    if not options["user"]:
        if apps.is_installed("django.contrib.admin"):
            raise CommandError("Say who does it with --as USER: every change is entered in the admin's history.")
        return Operator(name=_login())
    user = _user(options["user"])
    if not user.is_active or not user.has_perm(permission):  # type: ignore[attr-defined]
        raise CommandError(f"{options['user']} may not do that: it takes the permission {permission}.")
    return Operator.of(user)


def _user(name: str) -> AbstractBaseUser:
    try:
        user: AbstractBaseUser = get_user_model()._default_manager.get_by_natural_key(name)
    except ImproperlyConfigured:
        raise CommandError("This project has no users: leave out --as.") from None
    except ObjectDoesNotExist:
        raise CommandError(f"There is no user {name!r}.") from None
    return user


def _login() -> str:
    try:
        return f"{getpass.getuser()} at a terminal"
    except (KeyError, OSError):  # a container may run under a user that has no name
        return "somebody at a terminal"
