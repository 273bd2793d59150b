"""``lakehouse serve``."""

from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.cli.asked import asked
from lakehouse.cli.places import settings_if_any
from lakehouse.cli.printing import print_line
from lakehouse.cli.trackers import tracking_of
from lakehouse.errors import ConfigError
from lakehouse.serving.server import run_server
from lakehouse.serving.settings import Limits, RequestLogSettings, ServerSettings, tokens_of

if TYPE_CHECKING:
    from lakehouse.config import Settings


def serve(
    ctx: typer.Context,
    service: Annotated[str, typer.Option(metavar="NAME", help="The feature service.")],
    store: Annotated[
        str | None, typer.Option(metavar="URI", help="The online store, lmdb:///… or redis://…; else the settings'.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Predict with this model, such as models:/flight_delay@champion."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    host: Annotated[str, typer.Option(help="Other addresses than loopback need a token.")] = "127.0.0.1",
) -> None:
    """Serve features and predictions over HTTP.

    [bold]POST /features[/bold] and [bold]POST /predict[/bold] answer; [bold]/docs[/bold] shows how to ask, with
    examples. Bearer tokens that are let in stand in LAKEHOUSE_SERVING_TOKENS. Models are looked up where the settings
    or MLFLOW_TRACKING_URI say. It ends with what was begun answered, on SIGTERM or Ctrl-C.
    """
    settings = settings_if_any(asked(ctx))
    place = store or (settings.online if settings is not None else None)
    if place is None:
        raise ConfigError("serve", "--store", "no online store is named", "Give --store lmdb:///… or a settings file")
    run_server(
        ServerSettings(
            service=service,
            store=place,
            model=model,
            tracking=tracking_of(asked(ctx)).uri if model else None,
            host=host,
            port=port,
            tokens=tokens_of(),
            limits=_limits(settings),
            reload_seconds=5.0 if settings is None else settings.serving.reload_seconds,
            log=None if settings is None else _log(settings),
        ),
        ready=print_line,
    )


def _limits(settings: "Settings | None") -> Limits:
    if settings is None:
        return Limits()
    told = settings.serving
    return Limits(body_bytes=told.max_body_bytes, rows=told.max_rows, seconds=told.max_seconds)


def _log(settings: "Settings") -> RequestLogSettings | None:
    told, root = settings.serving, settings.lake.root
    if told.log_table is None:
        return None
    if root is None:
        raise ConfigError("settings", "serving.log_table", "the log is written to a lake in a folder, not to a catalog")
    return RequestLogSettings(root, told.log_table, told.log_share, told.log_flush_seconds)
