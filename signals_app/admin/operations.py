"""The operations as the admin does them: by whom, and with a sentence on what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest

from signals_app.operations import Operation, Operator, Result, perform


def operator_of(request: HttpRequest) -> Operator:
    """Return the user as operator."""
    return Operator.of(cast("AbstractBaseUser", request.user))


def perform_for(request: HttpRequest, operation: Operation, ids: Sequence[int]) -> Result:
    """Change the deliveries that can be changed, and tell the user."""
    result = perform(operation, ids, by=operator_of(request))
    level = messages.WARNING if result.refused else messages.SUCCESS
    if ids:
        messages.add_message(request, level, " ".join(result.sentences()))
    return result
