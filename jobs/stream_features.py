"""Keep the online features of a view fresh from its table's stream, or from Kafka.

    ./spark-submit.sh jobs/stream_features.py [--config FILE] [--once] [--debug]

Stopped or killed, it goes on where it was when it is started again. With Kafka, Spark needs its Kafka source, of its
own line 4.1: ``--packages org.apache.spark:spark-sql-kafka-0-10_2.13:4.1.1``.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from exits import run_job

from lakehouse.config import Settings, load_settings
from lakehouse.errors import ConfigError
from lakehouse.features.streaming import StreamSettings, start_stream
from lakehouse.versioning import Lakehouse

_CONFIG = Path(__file__).resolve().parent.parent / "conf" / "stream_features.yaml"

app = typer.Typer(add_completion=False)


class JobSettings(Settings):
    """Settings of this job: the lake, the online store, and the stream."""

    stream: StreamSettings


@app.command()
def stream_features(
    config: Annotated[Path, typer.Option(help="Settings file.")] = _CONFIG,
    once: Annotated[bool, typer.Option("--once", help="Do what is there, then end.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when the job fails.")] = False,
) -> None:
    """Keep online features fresh."""
    settings = load_settings(config, JobSettings)
    if settings.online is None:
        raise ConfigError(str(config), "online", "missing", "Give the URI of the online store")
    stream = settings.stream.model_copy(update={"every": None}) if once else settings.stream
    lake = Lakehouse.open(settings)
    query = start_stream(lake, settings.lake, stream, online=settings.online)
    query.awaitTermination()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job(app, arguments)


if __name__ == "__main__":
    sys.exit(main())
