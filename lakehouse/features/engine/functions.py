"""The functions of windows: each takes a series and windows of it and gives an Arrow column. Start at `FAMILIES`.

A new function is one line in that table. Functions of one family share what is computed from the series.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from lakehouse.features.engine.distribution import distinct_counts, quantiles
from lakehouse.features.engine.ends import last_values, outermost
from lakehouse.features.engine.extremes import extremes
from lakehouse.features.engine.numeric import means, sums, variances
from lakehouse.features.engine.ordering import Ints
from lakehouse.features.engine.series import Series
from lakehouse.features.engine.wanted import Wanted

MICROS = 1_000_000


Family = Callable[[str, Series, Sequence[Wanted]], list[pa.Array]]


def _counts(view: str, series: Series, wanted: Sequence[Wanted]) -> list[pa.Array]:
    return [pa.array(item.count, pa.int64()) for item in wanted]


def _sums(view: str, series: Series, wanted: Sequence[Wanted]) -> list[pa.Array]:
    return sums(series, wanted, view)


def _means(view: str, series: Series, wanted: Sequence[Wanted]) -> list[pa.Array]:
    return means(series, wanted)


def _variances(view: str, series: Series, wanted: Sequence[Wanted]) -> list[pa.Array]:
    found = variances(series, wanted)
    return [
        pa.array(np.sqrt(values) if item.window.function == "stddev" else values, mask=item.count < 2)
        for item, values in zip(wanted, found, strict=True)
    ]


def _extremes(view: str, series: Series, wanted: Sequence[Wanted]) -> list[pa.Array]:
    out: dict[int, pa.Array] = {}
    for function in ("min", "max"):
        chosen = [at for at, item in enumerate(wanted) if item.window.function == function]
        windows = [wanted[at].pieces for at in chosen]
        for at, codes in zip(chosen, extremes(series.codes, windows, greatest=function == "max"), strict=True):
            out[at] = series.values_of(codes, wanted[at].count > 0)
    return [out[at] for at in range(len(wanted))]


def _ends(view: str, series: Series, wanted: Sequence[Wanted]) -> list[pa.Array]:
    return [
        series.take(outermost(series, item.pieces, newest=item.window.function == "last"), item.count > 0)
        for item in wanted
    ]


def _last_ns(view: str, series: Series, wanted: Sequence[Wanted]) -> list[pa.Array]:
    return [last_values(series, item.pieces, item.window.n or 0, item.subject(view)) for item in wanted]


def _last_times(view: str, series: Series, wanted: Sequence[Wanted]) -> list[pa.Array]:
    return [pa.array(_newest(series, item), pa.timestamp("us", tz="UTC"), mask=item.count == 0) for item in wanted]


def _ages(view: str, series: Series, wanted: Sequence[Wanted]) -> list[pa.Array]:
    return [pa.array((item.moments - _newest(series, item)) / MICROS, mask=item.count == 0) for item in wanted]


def _newest(series: Series, item: Wanted) -> Ints:
    places = np.where(item.count > 0, outermost(series, item.pieces, newest=True), 0)
    return series.moments[places] if len(series.moments) else np.zeros_like(places)


def _distincts(view: str, series: Series, wanted: Sequence[Wanted]) -> list[pa.Array]:
    return [pa.array(distinct_counts(series, item.pieces), pa.int64()) for item in wanted]


def _quantiles(view: str, series: Series, wanted: Sequence[Wanted]) -> list[pa.Array]:
    return [
        quantiles(series, item.pieces, item.window.q or 0.0, exact=item.window.function == "percentile")
        for item in wanted
    ]


FAMILIES: dict[str, Family] = {
    "count": _counts,
    "sum": _sums,
    "mean": _means,
    "variance": _variances,
    "stddev": _variances,
    "min": _extremes,
    "max": _extremes,
    "first": _ends,
    "last": _ends,
    "last_n": _last_ns,
    "time_since_last": _ages,
    "last_time": _last_times,
    "count_distinct": _distincts,
    "approx_count_distinct": _distincts,
    "percentile": _quantiles,
    "approx_percentile": _quantiles,
}
