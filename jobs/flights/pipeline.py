"""The whole job, in the order in which it is told: `predict_flight_delays`."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from pyspark.sql import functions as F

from flights.arrivals import flight_labels, landed_flights
from flights.definitions import ARRIVALS, service
from flights.experiment import MODEL, compare_models, test_start
from flights.ingest import FLIGHTS, ingest, tell
from flights.lookups import Agreement, compare_online, next_flights
from flights.promotion import Verdict, decide, explain, reproduce
from flights.report import Report
from flights.revisions import revise, undo_damage
from flights.settings import FlightSettings, months_of
from flights.source import Source
from flights.zones import airport_zones, check_zones
from lakehouse import Lakehouse
from lakehouse.errors import OnlineStoreError
from lakehouse.features.store import FeatureStore
from lakehouse.tracking import Reproduction, Tracker
from lakehouse.tracking.events import lineage_events
from lakehouse.training import TrainingSet


@dataclass(frozen=True)
class Outcome:
    """What the job claims when it is done.

    Attributes:
        digest: Digest of the training set.
        again: The champion made again from its record.
        agreement: Online against offline values.
        metrics: Test scores by run.
        verdict: What became of the challenger.
        places: Where things are.
    """

    digest: str
    again: Reproduction
    agreement: Agreement
    metrics: Mapping[str, Mapping[str, float]]
    verdict: Verdict
    places: Mapping[str, str]


def predict_flight_delays(settings: FlightSettings, report: Report | None = None) -> Outcome:
    """Run the job: tables, revisions, arrivals, models, online features, proof.

    Raises:
        ConfigError: A destination has no time zone, or settings don't fit.
        OnlineStoreError: A value online is not the one offline.
    """
    lake = Lakehouse.open(settings)
    told = nullcontext() if settings.lineage is None else lineage_events(lake, "flight_delays", to=settings.lineage)
    with told:
        return _predict(lake, settings, report or Report())


def _predict(lake: Lakehouse, settings: FlightSettings, report: Report) -> Outcome:
    source, months = Source.installed(), months_of(settings.months)
    store = FeatureStore(lake, online=settings.online)
    tracker = Tracker.open(lake, settings.runs)

    undo_damage(lake.table(FLIGHTS))
    report.section("1. Raw tables")
    ingest(lake, source, months, report)
    report.section("2. Tables change, and remember")
    revise(lake, source, months, report)
    report.section("3. Arrivals and features")
    build_arrivals(lake, settings, report)
    with report.step("registered: feature views and service") as step:
        step.note = f"registered: {len(service.views)} views, {len(service.features)} features"
        store.apply([*service.views, service])
    report.section("4. Training set and models")
    training_set = make_training_set(lake, store, settings, report)
    test_from = _test_from(training_set, settings.test_share)
    compared = compare_models(tracker, training_set, settings, test_from=test_from, report=report)
    report.section("5. Champion and challenger")
    folder = None if settings.reports is None else Path(settings.reports)
    verdict = decide(tracker, compared, report, folder=folder)
    report.section("6. Online features")
    agreement = check_online(store, training_set, settings, moment=test_from, report=report)
    report.section("7. From the model to its data, and back")
    explain(tracker, f"{FLIGHTS}@{lake.table(FLIGHTS).version}", report, folder=folder, online=settings.online)
    training_set.release()
    again = reproduce(tracker, report)
    places = _places(lake, settings)
    report.section(f"Done in {report.seconds:.0f} s. Where things are")
    report.places(places)
    return Outcome(training_set.digest, again, agreement, compared.metrics, verdict, places)


def build_arrivals(lake: Lakehouse, settings: FlightSettings, report: Report) -> None:
    """Bring ``raw.arrivals`` up to the newest flights; nothing is done when it was made from them already."""
    with report.step("one row a landed flight, at the moment it landed") as step:
        arrivals, flights = lake.table(ARRIVALS), lake.table(FLIGHTS)
        made_from = f"{FLIGHTS}@{flights.version}"
        if arrivals.exists and made_from in arrivals.history(limit=1)[0].inputs:
            tell(step, arrivals, None)
            return
        zones = airport_zones(lake, settings.zones)
        check_zones(flights.read(), zones)
        rows = landed_flights(flights.read(), zones)
        commit = arrivals.merge(rows, keys=["flight_id"], message=f"landed flights of {made_from}", inputs=[made_from])
        tell(step, arrivals, commit)


def make_training_set(lake: Lakehouse, store: FeatureStore, settings: FlightSettings, report: Report) -> TrainingSet:
    """Return the tagged training set of all landed flights."""
    with report.step("training set") as step:
        labels = flight_labels(
            lake.table(ARRIVALS).read(), hours_ahead=settings.hours_ahead, late_minutes=settings.late_minutes
        )
        made = store.create_training_set(labels, service, "predict_at", label="is_late", name=MODEL)
        step.ref, step.rows = str(made.inputs[0]), made.record.rows.count
        step.note = f"training set, {len(made.feature_names)} features, tag {made.tag}"
    report.line(f"  made from {', '.join(str(version) for version in made.inputs)}")
    return made


def check_online(
    store: FeatureStore, training_set: TrainingSet, settings: FlightSettings, *, moment: datetime, report: Report
) -> Agreement:
    """Materialize the service and compare online with offline values of real flights.

    Raises:
        OnlineStoreError: A value differs.
    """
    with report.step(f"materialized: features from {moment:%Y-%m-%d %H:%M} UTC on"):
        store.materialize(service, end=moment)
    with report.step("looked up") as step:
        asked = next_flights(training_set.to_spark(), moment, settings.lookups)
        found = compare_online(store, asked, moment)
        step.rows = found.flights
        verdict = f"all {found.values:,} values equal the offline ones"
        if found.different:
            verdict = f"values differ, such as {found.different[0]}"
        step.note = f"looked up {found.flights:,} flights in {found.seconds:.2f} s: {verdict}"
    if found.different:
        raise OnlineStoreError("online features", verdict)
    return found


def _test_from(training_set: TrainingSet, share: float) -> datetime:
    moment = F.unix_micros(training_set.timestamp)
    (span,) = training_set.to_spark().agg(F.min(moment), F.max(moment)).collect()
    first, last = (datetime.fromtimestamp(micros / 1e6, tz=timezone.utc) for micros in span)
    return test_start(first, last, share)


def _places(lake: Lakehouse, settings: FlightSettings) -> dict[str, str]:
    return {
        "tables": settings.lake.root or f"catalog {settings.lake.catalog}",
        "": f"{', '.join(lake.tables())}",
        "online store": str(settings.online),
        "reports": str(settings.reports),
        "MLflow store": settings.runs.uri,
        "MLflow UI": f"mlflow ui --backend-store-uri {settings.runs.uri}",
    }
