"""How the site's log is written, and what is left out of it."""

import logging

from signals_app.redaction import masked_text
from signals_app.redaction.logs import one_record


class OneRecord(logging.Formatter):
    """Writes a record so that no text in it can pass for another record, and no secret is shown.

    Lines but the first begin with ``  | ``; control characters, such as a terminal's, are written as escapes.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines."""
        return one_record(masked_text(super().format(record)))


class WithoutHints(logging.Filter):
    """Leaves out the two lines that Django-Q logs for every hint; what came of a delivery is in its record."""

    hints = ("signals_app.worker.loop.drain", "signals_app.worker.pruning.prune_for_a_while")

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep whatever is worse than news, and news of anything but a hint."""
        return record.levelno > logging.INFO or not any(one in record.getMessage() for one in self.hints)
