"""``manage.py demo_admin``: the user who may look at everything in the demo."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

NAME = "admin"


class Command(BaseCommand):
    """Make the demo's admin user with a random password, which is printed once and kept nowhere."""

    help = "Make the demo's admin user and print its password, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reset", action="store_true", help="give it a new password")

    def handle(self, *, reset: bool, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo's admin is for DEBUG=true only. Use manage.py createsuperuser here.")
        user = User.objects.filter(username=NAME).first()
        if user and not reset:
            self.stdout.write(
                f"Admin user: {NAME} (its password was printed when it was made; "
                "manage.py demo_admin --reset makes a new one)"
            )
            return
        password = secrets.token_urlsafe(12)
        if user:
            user.set_password(password)
            user.save(update_fields=["password"])
        else:
            User.objects.create_superuser(NAME, password=password)
        self.stdout.write(f"Admin user: {NAME}   password: {password}   (shown only now)")
