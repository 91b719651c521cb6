"""The script that keeps marked regions of a page up to date."""

from typing import Any

from django.forms import Script

LIVE: Any = Script("signals_app/live.js", defer=True)
