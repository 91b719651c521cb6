"""Members of staff, each with a browser."""

from __future__ import annotations

from django.contrib.auth.models import Permission, User
from django.test import Client


def client_of(name: str, *permissions: str) -> Client:
    """Return the browser of a member of staff with these permissions."""
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client
