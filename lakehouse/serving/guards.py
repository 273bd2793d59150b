"""What stands before every route: who may ask, how much may be sent, and what is counted. Plain ASGI.

Start at `Guards`.
"""

import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lakehouse.serving.metrics import Metrics
from lakehouse.serving.problems import Problem, problem_of

_OPEN = ("/healthz", "/readyz")
"""Routes for probes: they need no token and say nothing about data."""

_log = logging.getLogger(__name__)


class Guards:
    """Middleware around an application.

    Args:
        app: The application.
        tokens: Bearer tokens that are let in; none lets everybody in.
        body_bytes: Greatest size of a body.
        metrics: Where requests are counted.
    """

    def __init__(self, app: ASGIApp, *, tokens: Sequence[str], body_bytes: int, metrics: Metrics) -> None:
        self._app, self._body_bytes, self._metrics = app, body_bytes, metrics
        self._tokens = [token.encode() for token in tokens]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        watch = _Watch(send)
        try:
            self._check_token(scope)
            await self._app(scope, self._limited(scope, receive), watch)
        except Problem as problem:
            await watch.refuse(problem, scope, receive)
        except Exception as error:
            _log.exception("request failed")
            await watch.refuse(problem_of(error), scope, receive)
        finally:
            self._metrics.request(scope["path"], watch.status, time.perf_counter() - started)

    def _check_token(self, scope: Scope) -> None:
        if not self._tokens or scope["path"] in _OPEN:
            return
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        scheme, _, token = given.partition(b" ")
        # Every token is compared, each in constant time: the time taken tells nothing about any of them.
        matches = [hmac.compare_digest(token.strip(), known) for known in self._tokens]
        if scheme.lower() != b"bearer" or not any(matches):
            raise Problem(401, "unauthorized", "A bearer token of this server is needed: Authorization: Bearer …")

    def _limited(self, scope: Scope, receive: Receive) -> Callable[[], Awaitable[Message]]:
        """Return *receive* that gives up once the body is larger than allowed, announced or not."""
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if announced.isdigit() and int(announced) > self._body_bytes:
            raise self._too_large()
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._body_bytes:
                raise self._too_large()
            return message

        return limited

    def _too_large(self) -> Problem:
        return Problem(413, "too_large", f"A request may have {self._body_bytes:,} bytes; send fewer rows at a time.")


class _Watch:
    """A *send* that remembers the status and whether an answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False
        self.status = 500

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self._begun = message["status"], True
        await self._send(message)

    async def refuse(self, problem: Problem, scope: Scope, receive: Receive) -> None:
        """Send a problem, unless an answer has begun."""
        if not self._begun:
            await problem.answer()(scope, receive, self)
