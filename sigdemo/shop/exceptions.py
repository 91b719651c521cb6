"""What can go wrong when an order is placed. The text of each error is written for the customer."""

from collections.abc import Sequence
from dataclasses import dataclass


class ShopError(Exception):
    """The order cannot be placed; nothing of it was kept."""


class EmptyOrder(ShopError):
    """No product was chosen."""

    def __init__(self) -> None:
        super().__init__("Your order is empty. Choose a quantity for at least one product.")


class QuantityNotSold(ShopError):
    """A quantity is outside what one order may hold."""

    def __init__(self, quantity: int, most: int) -> None:
        super().__init__(f"A quantity of {quantity} is not sold. Order between 1 and {most}.")


class ProductNotSold(ShopError):
    """A product is unknown to the shop or no longer sold."""

    def __init__(self, product_id: int) -> None:
        super().__init__(f"Product {product_id} is not sold here (any more). Reload the page and choose again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """One product of which too little is left. Quantities are pieces."""

    product: str
    wanted: int
    left: int

    def __str__(self) -> str:
        rest = f"only {self.left} left" if self.left else "none left"
        return f"{self.product}: {rest}, you asked for {self.wanted}"


class OutOfStock(ShopError):
    """Some products of the order are short; ``shortages`` tells which and by how much."""

    def __init__(self, shortages: Sequence[Shortage]) -> None:
        self.shortages = tuple(shortages)
        listed = "; ".join(str(shortage) for shortage in self.shortages)
        super().__init__(f"Not enough in stock. {listed}. Lower the quantity and order again.")
