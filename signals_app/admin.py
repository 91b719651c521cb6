"""Where Django looks for an app's pages; they are in ``console.admin``."""

from signals_app.console.admin import register

__all__ = ["register"]
