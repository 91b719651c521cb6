"""The receivers of the fault tests, a module for each kind of fault; every cluster of the tests knows them all."""

from importlib import import_module
from pkgutil import iter_modules


def load() -> None:
    """Import every module of this package."""
    for module in iter_modules(__path__, f"{__name__}."):
        import_module(module.name)
