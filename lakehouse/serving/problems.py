"""What a client is told when a request can't be answered: a status, a code for programs and a sentence for people.

Start at `Problem`; `problem_of` makes one from an error of the library. No stack trace ever leaves the server.
"""

from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.responses import Response

from lakehouse.errors import (
    DefinitionError,
    FeatureNotFoundError,
    InvalidRefError,
    LakehouseError,
    MissingColumnsError,
    OnDemandError,
    OnlineStoreError,
    SchemaError,
    TrackingError,
)


class ProblemBody(BaseModel):
    """The error of an answer."""

    code: str
    message: str


class ProblemAnswer(BaseModel):
    """An answer that is an error."""

    error: ProblemBody


class Problem(Exception):
    """A request that can't be answered.

    Attributes:
        status: HTTP status.
        code: One word for programs, such as ``unknown_key``.
        message: What was asked, what was found, what to do.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, code, message)
        self.status, self.code, self.message = status, code, message

    def answer(self) -> Response:
        """Return it as JSON."""
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else None
        return json_answer({"error": {"code": self.code, "message": self.message}}, self.status, headers)


def problem_of(error: Exception) -> Problem:
    """Return what a client is told about an error.

    What a request got wrong is told in full; what the server can't do is told without details, which stand in its log.
    """
    if isinstance(error, Problem):
        return error
    if isinstance(error, ValidationError):
        return Problem(422, "invalid_request", _first(error))
    for kind, status, code in _KINDS:
        if isinstance(error, kind):
            return Problem(status, code, str(error))
    if isinstance(error, TimeoutError):
        return Problem(503, "too_slow", "The answer took longer than the server's limit; ask for fewer rows.")
    return Problem(500, "internal", "The server failed; its log says why.")


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return plain values as JSON: moments in ISO 8601, decimals as text, NaN and infinities as text."""
    body = to_json(value, inf_nan_mode="strings", bytes_mode="base64", timedelta_mode="float")
    return Response(body, status, headers, media_type="application/json")


_KINDS: tuple[tuple[type[LakehouseError], int, str], ...] = (
    (MissingColumnsError, 422, "missing_input"),
    (SchemaError, 422, "invalid_input"),
    (OnDemandError, 422, "on_demand_failed"),
    (InvalidRefError, 422, "invalid_moment"),
    (DefinitionError, 503, "definition_unavailable"),
    (FeatureNotFoundError, 503, "service_not_found"),
    (OnlineStoreError, 503, "store_unavailable"),
    (TrackingError, 503, "model_unavailable"),
)


def _first(error: ValidationError) -> str:
    """Return the first thing that is wrong with a body, and where."""
    found = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, found["loc"]))
    return f"{where}: {found['msg']}." if where else f"{found['msg']}."
