"""Which lines the site leaves out of its log."""

import logging


class WithoutHints(logging.Filter):
    """Leaves out the two lines that Django-Q logs for every hint; what became of a delivery is in its record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep whatever is worse than news, and news of anything but a hint."""
        return record.levelno > logging.INFO or "signals_app.worker.drain" not in record.getMessage()
