"""What hostile requests are made of."""

MARK = "<script>evil()</script>"  # comes back in no page as it was sent

METHODS = ("GET", "GET", "GET", "POST", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get")
TEXTS = (
    *(
        "",
        "0",
        "-1",
        "1",
        "2.5",
        "NaN",
        "-Infinity",
        "1e400",
        "9" * 30,
        "9" * 5_000,
        "\uff11\uff12",
        "0x10",
        "true",
        "null",
    ),
    *("\0", "a\0b", "\ud800", "\r\nX-Evil: 1", "\x1b[2J", "\u2028", "\u202e", "é" * 300, "💥", "a" * 5_000),
    *("' OR 1=1 --", '"; DROP TABLE x', "%", "_", "\\", "{{7*7}}", "{% include 'x' %}", "${7*7}", "__class__"),
    *("../../etc/passwd", "..\\..\\x", "//evil.example/", "https://evil.example", "javascript:alert(1)", MARK),
    *("#1", "#99999999999999999999", '"#', "'", "2026-02-30", "0001-01-01", "10000", "13", "READY", "in", "isnull"),
    *("00000000-0000-0000-0000-000000000000", "[]", "{}", "[[1]]", ",", ";", "&=&", "=", "a=b"),
)
QUERIES = (
    *("q", "p", "o", "e", "all", "page", "state", "receiver", "signal", "queue", "unroutable", "outcome"),
    *("error_class", "enqueued_at__year", "enqueued_at__month", "enqueued_at__day", "finished_at__year"),
    *("enqueued_at__gte", "payload__contains", "delivery__payload__regex", "password", "id__in", "pk", "id__foo__bar"),
    *("state__exact", "_popup", "_to_field", "_changelist_filters", "_facets", "next", "repeated", "is_staff__exact"),
    *("created_at__gte", "app_label", "model_name", "field_name", "term", "period", "window", "since", "live", MARK),
    *(
        "placed_at__year",
        "created_at__year",
        "date_joined__year",
        "created_at__iso_year",
        "received_at__year",
        "id__year",
    ),
)
FIELDS = (
    *(
        "name",
        "email",
        "token",
        "quantity-1",
        "quantity-",
        "quantity-\0",
        "failures",
        "seconds",
        "fan_out",
        "ways",
        "all",
    ),
    *("script", "action", "_selected_action", "select_across", "index", "username", "password", "next", "_save"),
    *(
        "csrfmiddlewaretoken",
        "post",
        "old_password",
        "new_password1",
        "form-TOTAL_FORMS",
        "form-0-id",
        "usable_password",
    ),
    *("first_name", "last_login_0", "last_login_1", "user_permissions", "groups", "date_joined_0", "_continue", MARK),
)
HEADERS = (
    *("Host", "X-Forwarded-Host", "X-Forwarded-For", "X-Forwarded-Proto", "Referer", "Origin", "Cookie", "Accept"),
    *("Accept-Language", "Accept-Encoding", "Range", "If-Modified-Since", "If-None-Match", "Authorization"),
    *("X-HTTP-Method-Override", "X-Requested-With", "X-CSRFToken", "User-Agent", "Idempotency-Key"),
    *("X-Sigdemo-Signature", "Content-Encoding", "Transfer-Encoding", "Expect"),
)
COOKIES = (
    *(
        'sessionid="\\000"',
        "sessionid=" + "a" * 40,
        'messages="[["',
        'messages="\\000:x"',
        "csrftoken=short",
        "=",
        ";;;",
    ),
    *(
        'sessionid="\\357\\277"',
        "sessionid=.eJ:x:y",
        "csrftoken=" + "a" * 32,
        "a=b; a=c; sessionid=é",
        'x="' + "\\" * 50,
    ),
)
TYPES = (
    *("application/x-www-form-urlencoded", "application/x-www-form-urlencoded", "application/json", "text/plain"),
    *(
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "",
        "a/b; charset=zz",
    ),
    *("application/json; charset=utf-16", "application/x-www-form-urlencoded; charset=nope"),
    *("multipart/mixed", "multipart/form-data; boundary=" + "x" * 300, "multipart/form-data; boundary=\x80"),
)
JSON_BODIES = (
    *(b"", b"{", b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5_000, b"[" + b"9" * 400 + b"]", b"[1e999]", b"[NaN, -1]"),
    *(b'"\\ud800"', b"\xff\xfe{\x00}\x00", b"null", b"[[]]", b'{"order": "\\u0000", "lines": [{}]}', b'["\\u2028"]'),
    *(b'{"order": "1", "lines": [{"sku": "x", "quantity": 1e2}]}', b'{"order": {}, "lines": {}}', b"[true]"),
)
