"""Who may use the lab."""

import pytest
from django.contrib.auth.models import User
from django.test import Client


@pytest.fixture
def staff(transactional_db: None) -> Client:
    """Somebody of the staff. Threads of the lab have connections of their own, so nothing is rolled back."""
    client = Client()
    client.force_login(User.objects.create_user("staff", is_staff=True))
    return client
