"""How the site's log is written."""

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
