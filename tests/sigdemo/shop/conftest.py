"""Products for the shop's tests."""

import pytest

from sigdemo.shop.models import Product
from tests.sigdemo.shop.goods import bell, lamp


@pytest.fixture
def a_bell(db: None) -> Product:
    return bell()


@pytest.fixture
def a_lamp(db: None) -> Product:
    return lamp()
