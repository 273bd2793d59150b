"""From what was typed to a lake with what hangs on it: its runs' aliases and its online records."""

from contextlib import suppress
from typing import TYPE_CHECKING

from lakehouse.cli.asked import Asked
from lakehouse.cli.places import lake_of, settings_of
from lakehouse.cli.trackers import tracking_of
from lakehouse.errors import ConfigError

if TYPE_CHECKING:
    from lakehouse.versioning.lake import Lakehouse


def whole_lake_of(asked: Asked) -> "Lakehouse":
    """Return the lake, whose doctor looks at promotions and whose ``forget`` reaches the online store, where known.

    Raises:
        ConfigError: No lake is named and none is found, or the settings are wrong.
    """
    lake, online = lake_of(asked), settings_of(asked).online
    from lakehouse.features.store import FeatureStore  # loads Spark
    from lakehouse.tracking.tracker import Tracker

    if online is not None:
        FeatureStore(lake, online=online)
    # No place of runs is named: then nothing is known of them.
    with suppress(ConfigError):
        Tracker.open(lake, tracking_of(asked))
    return lake
