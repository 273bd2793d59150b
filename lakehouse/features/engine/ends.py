"""The first and the last events of windows, by the timeline's order. Start at `outermost`."""

import numpy as np
import pyarrow as pa

from lakehouse.errors import FeatureOverflowError
from lakehouse.features.engine.ordering import Ints
from lakehouse.features.engine.ranges import Pieces, count_of, spread
from lakehouse.features.engine.series import Series

_MOST_VALUES = 2**31 - 1


def outermost(series: Series, pieces: Pieces, *, newest: bool) -> Ints:
    """Return the place in the series of the first, or last, event of each window; any where it is empty."""
    found = [end - 1 if newest else start for start, end in pieces]
    if len(pieces) == 1 or series.places is None or not len(series.places):
        return found[0]
    # The events of two pieces lie between each other: their places in the timeline decide.
    (start, end), (extra_start, extra_end) = pieces
    most = len(series.places) - 1
    main, extra = (series.places[np.clip(at, 0, most)] for at in found)
    better = extra > main if newest else extra < main
    return np.where((extra_end > extra_start) & (better | (end == start)), found[1], found[0])


def last_values(series: Series, pieces: Pieces, most: int, subject: str) -> pa.Array:
    """Return the last values of each window as a list in time order, newest last; null where it is empty.

    Raises:
        FeatureOverflowError: There are more than 2**31 - 1 values in all, which one Arrow list can't hold.
    """
    spreads = [spread(np.maximum(start, end - most), end) for start, end in pieces]
    places, owners = (np.concatenate(part) for part in zip(*spreads, strict=True))
    if len(pieces) > 1 and series.places is not None:
        order = np.lexsort((series.places[places], owners))
        places, owners = places[order], owners[order]
        stops = np.searchsorted(owners, np.arange(len(pieces[0][0])), side="right")
        kept = np.arange(len(owners)) >= stops[owners] - most
        places = places[kept]
    sizes = np.minimum(count_of(pieces), most)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    if offsets[-1] > _MOST_VALUES:
        raise FeatureOverflowError(
            subject, f"it has {offsets[-1]} values in one batch of labels", "Ask for fewer at once"
        )
    values = series.take(places, np.ones(len(places), dtype=bool))
    empty = pa.array(sizes == 0)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, type=pa.list_(series.kind), mask=empty)
