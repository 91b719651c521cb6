"""Products for the shop's tests."""

import pytest

from sigdemo.shop.models import Product
from tests.sigdemo.shop.goods import bell, lamp


@pytest.fixture
def a_bell(db: None) -> Product:
    """A product of which ten are left, at 10.00 euros."""
    return bell()


@pytest.fixture
def a_lamp(db: None) -> Product:
    """A product of which three are left, at 249.90 euros."""
    return lamp()
