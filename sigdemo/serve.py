"""The site's web server: ``python -m sigdemo.serve``.

It reads a whole request before a thread gets it, and takes an answer off the thread before the visitor has it all.
So a slow visitor, or one that is slow on purpose, holds a connection and no thread.
"""

import resource
import signal

from django.conf import settings
from waitress import serve

from sigdemo.wsgi import application

THREADS = 16  # more than the lab can keep busy, so that health and the shop find one
CONNECTIONS = 2_000
MOST_HEADERS = 32 * 1024  # bytes
MOST_BODY = 8 * 1024 * 1024  # bytes; beyond DATA_UPLOAD_MAX_MEMORY_SIZE, so that a page says what was too large
SILENCE = 30  # seconds after which a connection that says nothing is closed


def main() -> None:
    """Serve until SIGTERM or SIGINT; what is being answered then has five seconds to end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a connection with much to buffer has files, too
    serve(
        application,
        host=settings.BIND,
        port=settings.PORT,
        threads=THREADS,
        connection_limit=CONNECTIONS,
        asyncore_use_poll=True,  # select() knows no more than 1,024 files
        channel_timeout=SILENCE,
        cleanup_interval=SILENCE // 3,
        max_request_header_size=MOST_HEADERS,
        max_request_body_size=MOST_BODY,
        trusted_proxy=settings.TLS_PROXY,
        trusted_proxy_headers={"x-forwarded-proto"},
        clear_untrusted_proxy_headers=False,  # X-Forwarded-For is read by sigdemo.throttle
        ident=None,
    )


if __name__ == "__main__":
    main()
