"""What the demo sells, and putting it on the shelves."""

from dataclasses import dataclass
from decimal import Decimal

from sigdemo.shop.models import Product


@dataclass(frozen=True, slots=True)
class Article:
    """A product of the demo. The picture in ``products.svg`` bears the name of its ``sku``."""

    sku: str
    name: str
    price: Decimal
    stock: int
    blurb: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeding:
    """What ``stock_shelves`` did: how many products it added and how many it filled up."""

    added: int
    restocked: int


ARTICLES = (
    Article("brass-bell", "Brass ship's bell", Decimal("64.50"), 60,
            "Hand-cast, 15 cm, with a plaited lanyard. Heard across the harbour."),
    Article("foghorn", "Hand-cranked foghorn", Decimal("139.00"), 25,
            "Four seconds of crank, two miles of warning."),
    Article("heliograph", "Pocket heliograph", Decimal("24.90"), 120,
            "Steel signal mirror with a sighting hole. Needs sun, no batteries."),
    Article("signal-flags", "International signal flags", Decimal("89.00"), 40,
            "All forty in a canvas roll, sewn and not printed."),
    Article("marker-buoy", "Marker buoy", Decimal("54.00"), 45,
            "Lime yellow, self-righting, with a cleat for your own line."),
    Article("megaphone", "Aluminium megaphone", Decimal("42.00"), 70,
            "Spun cone and a leather grip. Carries as far as your voice does."),
    Article("morse-key", "Straight Morse key", Decimal("78.00"), 50,
            "Silver contacts on a slate base, adjustable from featherlight to firm."),
    Article("hand-flare", "Red hand flare", Decimal("12.40"), 200,
            "Sixty seconds at 15,000 candela. Hold it downwind."),
    Article("semaphore-paddles", "Semaphore paddles", Decimal("29.50"), 90,
            "A pair, red over yellow, balanced for long messages."),
    Article("signal-kite", "Signal kite", Decimal("47.80"), 35,
            "Lifts a pennant to eighty metres in a light breeze."),
    Article("signal-lamp", "Shuttered signal lamp", Decimal("249.00"), 15,
            "Louvred shutter, fast enough for twelve words a minute."),
    Article("storm-lantern", "Storm lantern", Decimal("38.00"), 80,
            "Burns twenty hours on one filling, in any wind."),
    Article("telegraph-sounder", "Telegraph sounder", Decimal("96.00"), 4,
            "Clicks in the old way. From the last of a small series."),
    Article("whistle", "Pealess whistle", Decimal("6.90"), 500,
            "118 decibels, works wet and frozen."),
)  # fmt: skip


def stock_shelves(*, restock: bool) -> Seeding:
    """Add the products that are missing; with ``restock``, fill all others up to their first stock.

    Safe to run again: prices, names and stocks that were changed since stay as they are.
    """
    added = restocked = 0
    for article in ARTICLES:
        product, new = Product.objects.get_or_create(
            sku=article.sku,
            defaults={
                "name": article.name,
                "blurb": article.blurb,
                "price": article.price,
                "stock": article.stock,
            },
        )
        added += new
        if restock and not new:
            short = Product.objects.filter(pk=product.pk, stock__lt=article.stock)
            restocked += short.update(stock=article.stock)
    return Seeding(added=added, restocked=restocked)
