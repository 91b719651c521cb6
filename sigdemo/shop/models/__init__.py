"""What the shop remembers."""

from sigdemo.shop.models.catalogue import Product
from sigdemo.shop.models.orders import Invoice, Order, OrderLine
from sigdemo.shop.models.sales import DailySales
from sigdemo.shop.models.warehouse import WarehouseNotice, WarehouseOutage

__all__ = [
    "DailySales",
    "Invoice",
    "Order",
    "OrderLine",
    "Product",
    "WarehouseNotice",
    "WarehouseOutage",
]
