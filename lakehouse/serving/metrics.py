"""What a server counts, for Prometheus: requests, errors, times, and how fresh and whole its features are.

Start at `Metrics`. Each server has a registry of its own, so several can live in one process.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Lock

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client import Counter as PrometheusCounter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from lakehouse.online import Status

ROUTES = ("/features", "/predict", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs")
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_MISSING = (Status.NOT_FOUND.value, Status.STALE.value)


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ["route", "status"]
        self._requests = PrometheusCounter("lakehouse_requests", "Requests", labels, registry=self.registry)
        self._errors = PrometheusCounter("lakehouse_errors", "Requests refused", labels, registry=self.registry)
        self._seconds = Histogram(
            "lakehouse_request_seconds", "Time to answer", ["route"], buckets=_SECONDS, registry=self.registry
        )
        self.model_version = Gauge("lakehouse_model_version", "Version of the model in use", registry=self.registry)
        self.reloads = PrometheusCounter("lakehouse_model_reloads", "Models taken into use", registry=self.registry)
        self.reload_failures = PrometheusCounter(
            "lakehouse_reload_failures", "Looks at the registry or the store that failed", registry=self.registry
        )
        self.logged = PrometheusCounter("lakehouse_logged_rows", "Rows written to the log", registry=self.registry)
        self.log_dropped = PrometheusCounter(
            "lakehouse_log_dropped_rows", "Rows left out of it", registry=self.registry
        )
        self.features = FeatureCounts()
        self.registry.register(self.features)

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count one request."""
        route = path if path in ROUTES else "other"
        self._requests.labels(route, str(status)).inc()
        if status >= 400:
            self._errors.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self.registry)


class FeatureCounts:
    """Statuses and ages of served values, by feature; a collector of Prometheus."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._statuses: dict[str, Counter[str]] = {}
        self._ages: dict[str, tuple[int, float]] = {}

    def add(self, statuses: Mapping[str, Sequence[str]], ages: Mapping[str, Sequence[float | None]]) -> None:
        """Count the values of one answer: statuses and ages, a list a feature."""
        with self._lock:
            for name, values in statuses.items():
                counts = self._statuses.get(name)
                if counts is None:
                    counts = self._statuses[name] = Counter()
                counts.update(values)
            for name, seconds in ages.items():
                known = [second for second in seconds if second is not None]
                if known:
                    count, total = self._ages.get(name, (0, 0.0))
                    self._ages[name] = count + len(known), total + sum(known)

    def collect(self) -> Iterator[Metric]:
        """Yield values by status, shares of missing and expired ones, and ages, all since the server started."""
        with self._lock:
            statuses = {name: dict(counts) for name, counts in self._statuses.items()}
            ages = dict(self._ages)
        values = CounterMetricFamily("lakehouse_feature_values", "Values served", labels=["feature", "status"])
        for name, counts in statuses.items():
            for status, count in counts.items():
                values.add_metric([name, status], count)
        yield values
        yield _shares("missing", "Share of values whose key was not found or whose record is stale", statuses, _MISSING)
        yield _shares("expired", "Share of values older than their ttl", statuses, (Status.EXPIRED.value,))
        seconds = SummaryMetricFamily("lakehouse_feature_age_seconds", "Age of values", labels=["feature"])
        for name, (count, total) in ages.items():
            seconds.add_metric([name], count_value=count, sum_value=total)
        yield seconds

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the names are known when there are values."""
        return []


def _shares(
    what: str, meaning: str, statuses: Mapping[str, Mapping[str, int]], counted: Sequence[str]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"lakehouse_feature_{what}_share", meaning, labels=["feature"])
    for name, counts in statuses.items():
        family.add_metric([name], sum(counts.get(status, 0) for status in counted) / max(sum(counts.values()), 1))
    return family
