"""Errors of the client, and when a request is sent again."""

from __future__ import annotations

import httpx

TRIES = 5
PAUSE_S = 0.5
PAUSE_S_MAX = 30.0
# From this status on, a later attempt may succeed: 502, 503 and 504 say that the service is not there at the moment.
_RETRYABLE_FROM = 502
_REFUSALS = (429, 503)


class CodeInterpreterError(Exception):
    """
    The service refused a request, failed at it, or cannot be reached. Failed code is no error but a result.

    `code` is the service's stable code, such as `invalid_field` or `queue_full`; `unreachable` when no answer came. `status` is the
    HTTP status, 0 without an answer; `param` the field at fault, as a path; `retry_after` seconds after which a retry may succeed.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int,
        param: str | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.param = param
        self.retry_after = retry_after
        self.request_id = request_id


def error_of(response: httpx.Response) -> CodeInterpreterError:
    """The error of an answer whose body has been read."""
    try:
        body = response.json()
    except ValueError:
        # Not from the service, but for example a proxy's page.
        body = None
    if not isinstance(body, dict):
        body = {}
    nested = body.get("error")
    try:
        seconds = float(response.headers.get("retry-after", ""))
    except ValueError:
        seconds = 0.0
    return CodeInterpreterError(
        str(body.get("detail") or f"The service answered {response.status_code}"),
        code=str(body.get("code") or "unknown"),
        status=response.status_code,
        param=nested.get("param") if isinstance(nested, dict) else None,
        retry_after=seconds if seconds > 0 else None,
        request_id=response.headers.get("x-request-id"),
    )


def unreachable(base_url: str) -> CodeInterpreterError:
    return CodeInterpreterError(f"No answer from {base_url}", code="unreachable", status=0)


def pause_before_retry(error: CodeInterpreterError, turn: int, *, repeatable: bool) -> float | None:
    """
    Seconds until the request is sent again; None when it is not. A refusal has had no effect. Other failures are tried again only
    if sending the request twice does what sending it once does.
    """
    refused = error.retry_after is not None and error.status in _REFUSALS
    if turn >= TRIES or not (refused or (repeatable and (error.status == 0 or error.status >= _RETRYABLE_FROM))):
        return None
    return min(PAUSE_S_MAX, PAUSE_S * 2**turn if error.retry_after is None else error.retry_after)
