"""Secrets are not shown: what a payload or an error holds under a name such as ``password`` becomes ``********``.

A name is secret when one of its parts is in ``SIGNALS_APP["MASK"]``, whatever the case: ``token`` is in ``authToken``,
``X-Auth-Token``, ``TOKENS`` and ``token2``; ``key`` is in ``product_key`` and not in ``monkey``. Parts may be written
as one (``apikey``), and a word of five letters or more is found at the end of a part too (``csrfmiddlewaretoken``).

Only what people are shown is masked: the payload in the database is what the worker needs.
"""

from signals_app.redaction.masking import MASKED, beginning, ending, has_secret_key, is_secret, masked, masked_text
