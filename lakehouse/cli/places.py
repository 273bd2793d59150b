"""From what was typed to a lake: its reader without Spark, or the lake itself in a quiet session."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console

from lakehouse.cli.asked import Asked
from lakehouse.errors import ConfigError, UnsupportedReadError
from lakehouse.inspection import LakeInspector, TableSummary, VersionView
from lakehouse.tables.commits import Commit
from lakehouse.versioning.branch_records import BranchRecord
from lakehouse.versioning.tag_records import Tag

if TYPE_CHECKING:
    from lakehouse.config import Settings
    from lakehouse.versioning.lake import Lakehouse

_CONFIG, _ROOT = "conf/local.yaml", "lake"
"""Taken where neither options nor environment name a lake."""


class LakeReader(Protocol):
    """What the reading verbs ask a lake."""

    def tables(self) -> list[TableSummary]:
        """Return every table with its newest commit, sorted by name."""

    def history(self, ref: str, *, limit: int | None = None) -> list[Commit]:
        """Return the commits up to the version that *ref* names, newest first."""

    def tags(self) -> list[Tag]:
        """Return all tags, the newest first."""

    def branches(self) -> list[BranchRecord]:
        """Return the open branches, the newest first."""

    def look(self, ref: str) -> VersionView:
        """Return what there is to know of a version."""

    def rows(self, ref: str, *, limit: int) -> list[dict[str, Any]]:
        """Return some rows of a version."""


def reader_of(asked: Asked) -> LakeReader:
    """Return the lake's reader: without Spark for a folder of this machine, by Spark for a catalog or object store.

    Raises:
        ConfigError: No lake is named and none is found, or the settings are wrong.
    """
    inspector = inspector_of(asked)
    return spark_reader_of(asked) if inspector is None else inspector


def inspector_of(asked: Asked) -> LakeInspector | None:
    """Return the reader without Spark, None for a lake in a catalog or an object store.

    Raises:
        ConfigError: As in :func:`reader_of`.
    """
    root = _root_alone(asked)
    if root is None:
        root = settings_of(asked).lake.root
    if root is None:
        return None
    try:
        return LakeInspector(root)
    except UnsupportedReadError:
        return None


def spark_reader_of(asked: Asked) -> LakeReader:
    """Return the same reader on a Spark session: slower, and it reads everything."""
    from lakehouse.cli.spark_reader import SparkReader  # loads Spark

    return SparkReader(lake_of(asked))


def lake_of(asked: Asked) -> "Lakehouse":
    """Return the lake in a session that is started for it.

    Raises:
        ConfigError: As in :func:`reader_of`.
    """
    settings = settings_of(asked)
    with quiet_java(asked):
        from lakehouse.versioning.lake import Lakehouse  # loads Spark

        return Lakehouse.open(settings)


def settings_of(asked: Asked) -> "Settings":
    """Return the settings that were asked for; a root that was typed wins over the file's.

    Raises:
        ConfigError: As in :func:`reader_of`.
    """
    from lakehouse.config import LakeSettings, Settings, load_settings  # pydantic: a third of a second

    root, config = _given(asked)
    if config is None and root is None:
        config, root = _found()
    if config is None:
        return Settings(lake=LakeSettings(root=root))
    settings = load_settings(config, Settings)
    return settings if root is None else settings.model_copy(update={"lake": LakeSettings(root=root)})


def settings_if_any(asked: Asked) -> "Settings | None":
    """Return the settings that were asked for or lie where they are expected, None where there are none.

    Raises:
        ConfigError: A settings file is named and can't be read, or is wrong.
    """
    if _given(asked) == (None, None) and not os.path.isfile(_CONFIG) and not os.path.isdir(_ROOT):
        return None
    return settings_of(asked)


@contextmanager
def quiet_java(asked: Asked) -> Iterator[None]:
    """Start Java inside without its words on our stderr: what goes wrong comes back as an exception anyway."""
    if asked.debug:
        yield
        return
    sys.stderr.flush()
    ours, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        with Console(file=os.fdopen(os.dup(ours), "w")).status("Starting Spark …"):
            os.dup2(nowhere, 2)
            yield
    finally:
        os.dup2(ours, 2)
        os.close(ours)
        os.close(nowhere)


def _root_alone(asked: Asked) -> str | None:
    """Return the root where it needs no settings file to be known."""
    root, config = _given(asked)
    if root is None and config is None:
        config, root = _found()
    return root


def _given(asked: Asked) -> tuple[str | None, str | None]:
    """Return root and settings file as options or, where neither is typed, the environment name them."""
    if asked.root is not None or asked.config is not None:
        return asked.root, asked.config
    return os.environ.get("LAKEHOUSE_ROOT") or None, os.environ.get("LAKEHOUSE_CONFIG") or None


def _found() -> tuple[str | None, str | None]:
    """Return the settings file or the root that lie where they are expected."""
    if os.path.isfile(_CONFIG):
        return _CONFIG, None
    if os.path.isdir(_ROOT):
        return None, _ROOT
    hint = "Give --root or --config, or set LAKEHOUSE_ROOT or LAKEHOUSE_CONFIG"
    raise ConfigError("lake", "", f"none is named, and there is neither {_CONFIG} nor a folder {_ROOT} here", hint)
