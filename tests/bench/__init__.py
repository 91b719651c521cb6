"""The benchmark: signals_app beside django-q2 alone, in one run and on one database (``python -m tests.bench``)."""
