"""The warehouse's HTTP side: JSON in, JSON out, whatever is sent."""

from django.http import HttpRequest, JsonResponse
from django.http.request import RawPostDataException, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from sigdemo.shop import warehouse
from sigdemo.shop.warehouse import NoticeRefused


@csrf_exempt  # called by machines that have no session; the body is signed instead
def notices(request: HttpRequest) -> JsonResponse:
    """Take a notice of an order: 201 when new, 200 when its idempotency key is known already.

    Refusals are 400, 401, 405, 413, 415 or 503, with ``{"error": "what to do"}``.
    """
    if request.method != "POST":
        return _refusal(NoticeRefused(405, "Send notices by POST."))
    try:
        receipt = warehouse.accept(
            body=_body(request),
            content_type=request.content_type or "",
            key=request.headers.get(warehouse.KEY_HEADER, ""),
            signature=request.headers.get(warehouse.SIGNATURE_HEADER, ""),
        )
    except NoticeRefused as refused:
        return _refusal(refused)
    return JsonResponse({"order": receipt.order, "known": receipt.known}, status=200 if receipt.known else 201)


def _body(request: HttpRequest) -> bytes:
    # One byte more than allowed tells "too large" without ever holding what a stranger sends.
    try:
        return request.read(warehouse.MOST_BYTES + 1)
    except (UnreadablePostError, RawPostDataException):
        raise NoticeRefused(400, "The body could not be read.") from None


def _refusal(refused: NoticeRefused) -> JsonResponse:
    answer = JsonResponse({"error": str(refused)}, status=refused.status)
    if refused.status == 405:
        answer["Allow"] = "POST"
    return answer
