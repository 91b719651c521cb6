"""``manage.py seed_shop``: put the demo's products on the shelves."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from sigdemo.shop.assortment import stock_shelves


class Command(BaseCommand):
    """Add the demo's products to the shop; running it twice adds nothing twice."""

    help = "Adds the demo's products to the shop. Safe to run again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--restock", action="store_true", help="fill products up that have been sold")

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed and say what was done."""
        done = stock_shelves(restock=options["restock"])
        self.stdout.write(f"{done.added} products added, {done.restocked} restocked.")
