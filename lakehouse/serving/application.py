"""The routes. Start at `create_app`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from lakehouse.errors import LakehouseError
from lakehouse.serving.descriptions import describe
from lakehouse.serving.feature_server import FeatureServer
from lakehouse.serving.guards import Guards
from lakehouse.serving.problems import Problem, json_answer, problem_of
from lakehouse.serving.settings import ServerSettings

_THREADS = 8
_INLINE_ROWS = 32
"""So many rows of an embedded store are read faster than handed to a thread."""


class FeaturesRequest(BaseModel):
    """What ``/features`` is asked."""

    model_config = ConfigDict(extra="forbid")
    rows: list[dict[str, Any]]
    at: str | None = None


class PredictRequest(FeaturesRequest):
    """What ``/predict`` is asked."""

    allow_stale: bool = Field(default=False)


def create_app(settings: ServerSettings) -> FastAPI:
    """Return the application that serves *settings*; what it serves is opened at once.

    Raises:
        FeatureNotFoundError: The store has no such service.
        OnlineStoreError: There is no such store, or it can't be read.
        TrackingError: There is no such model, or it may not be loaded.
    """
    server = FeatureServer(settings)
    app = FastAPI(title=f"lakehouse: {settings.service}", version="1", lifespan=partial(_lifespan, server))
    app.state.server = server
    limits = settings.limits
    app.add_middleware(Guards, tokens=settings.tokens, body_bytes=limits.body_bytes, metrics=server.metrics)
    _add_problems(app)
    _add_questions(app, server, ThreadPoolExecutor(_THREADS, "requests"))
    _add_probes(app, server)
    describe(app, server)
    return app


@contextlib.asynccontextmanager
async def _lifespan(server: FeatureServer, app: FastAPI) -> AsyncIterator[None]:
    """Look after what moves while the application runs; write the log at the end."""
    watching = asyncio.create_task(_watch(server))
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        await asyncio.to_thread(server.close)


async def _watch(server: FeatureServer) -> None:
    while True:
        await asyncio.sleep(server.settings.reload_seconds)
        # In a thread: requests go on while a model is loaded.
        await asyncio.to_thread(server.refresh)


def _add_problems(app: FastAPI) -> None:
    async def problem(_: Request, error: Exception) -> Response:
        return problem_of(error).answer()

    async def http(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        code, message = _HTTP.get(status, ("refused", "The request can't be answered."))
        answer = Problem(status, code, message).answer()
        answer.headers.update(getattr(error, "headers", None) or {})
        return answer

    for kind in (Problem, LakehouseError, RequestValidationError, TimeoutError):
        app.add_exception_handler(kind, problem)
    app.add_exception_handler(HTTPException, http)


_HTTP = {
    404: ("not_found", "There is no such route; /docs lists them."),
    405: ("method_not_allowed", "This route takes another method; /docs says which."),
}


def _add_questions(app: FastAPI, server: FeatureServer, threads: ThreadPoolExecutor) -> None:
    limits = server.settings.limits

    async def answered(ask: Callable[[], dict[str, Any]], *, inline: bool) -> Response:
        if inline:
            return json_answer(ask())
        loop = asyncio.get_running_loop()
        return json_answer(await asyncio.wait_for(loop.run_in_executor(threads, ask), limits.seconds))

    def checked(asked: FeaturesRequest) -> None:
        if len(asked.rows) > limits.rows:
            message = f"{len(asked.rows):,} rows; a request may have {limits.rows:,}: send fewer at a time."
            raise Problem(413, "too_many_rows", message)

    async def features(request: Request) -> Response:
        asked = await _body(request, FeaturesRequest)
        checked(asked)
        inline = server.reads_in_memory and len(asked.rows) <= _INLINE_ROWS
        return await answered(partial(server.features, asked.rows, asked.at), inline=inline)

    async def predict(request: Request) -> Response:
        asked = await _body(request, PredictRequest)
        checked(asked)
        ask = partial(server.predict, asked.rows, asked.at, allow_stale=asked.allow_stale)
        return await answered(ask, inline=False)

    # Plain routes: FastAPI's own machinery takes longer than the answer does, and bodies are checked here anyway.
    app.add_route("/features", features, methods=["POST"])
    app.add_route("/predict", predict, methods=["POST"])


async def _body(request: Request, kind: type[Any]) -> Any:
    try:
        return kind.model_validate_json(await request.body())
    except ValueError as error:
        raise problem_of(error) from error


def _add_probes(app: FastAPI, server: FeatureServer) -> None:
    @app.get("/healthz", tags=["probes"])
    async def healthz() -> Response:
        """Whether the process runs."""
        return json_answer({"status": "ok"})

    @app.get("/readyz", tags=["probes"])
    async def readyz() -> Response:
        """Whether requests can be answered: the store is there and has the service; and which model is in use."""
        await asyncio.wait_for(asyncio.to_thread(server.check_ready), server.settings.limits.seconds)
        model = server.model
        return json_answer({"status": "ready", "service": server.settings.service, "model": model and model.ref})

    @app.get("/metrics", tags=["probes"])
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(server.metrics.text(), media_type=CONTENT_TYPE_LATEST)
