"""A signal that nobody hears, but for what a test connects."""

from collections.abc import Iterator

import pytest

from tests.testapp.signals import unheard


@pytest.fixture(autouse=True)
def left_as_it_was() -> Iterator[None]:
    yield
    unheard.receivers.clear()
