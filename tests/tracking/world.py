"""A small lakehouse with everything that a tracker meets, made once a session: tables, features, runs, models."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from lakehouse import Lakehouse
from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView
from lakehouse.features.store import FeatureStore
from lakehouse.tracking import Tracker
from lakehouse.tracking.models import LoggedModel
from lakehouse.training import TrainingSet
from tests.tracking.small_model import train
from tests.versioning.small_tables import more_rows, small_table

ENTRY = "tests.tracking.small_model:train"
HOURS = 300
CARRIER = Entity("carrier", keys=["carrier"])


@dataclass
class World:
    """What was made.

    Attributes:
        lake: ``raw.arrivals`` in three versions, of which the first, 0, was made from ``src.events``; ``raw.labels``.
        store: URI of the MLflow store.
        features: Its feature store.
        tracker: Over both.
        training_set: From version 0 of both tables, cut by time.
        guess: Version 1 of ``late``, which knows only how often flights are late.
        trees: Version 2 of ``late``, which looks at the features.
    """

    lake: Lakehouse
    store: str
    features: FeatureStore
    tracker: Tracker
    training_set: TrainingSet
    guess: LoggedModel
    trees: LoggedModel


def at(hour: int) -> datetime:
    return datetime(2013, 1, 1, tzinfo=timezone.utc) + timedelta(hours=hour)


def carrier_of(hour: int) -> str:
    return "UA" if hour % 2 else "AA"


def delays(name: str = "delays") -> FeatureView:
    return FeatureView(
        name,
        entity=CARRIER,
        source="raw.arrivals",
        timestamp="arrived_at",
        aggregations=[Aggregation("delay", "last", "5h"), Aggregation("*", "count", "1d")],
    )


def make_lake(spark, root: Path) -> Lakehouse:
    lake = Lakehouse(spark, root=root)
    schema = "carrier string, arrived_at timestamp, delay double"
    events = {
        first: [(carrier_of(h), at(h), float(h % 7)) for h in range(first, last)]
        for first, last in ((0, HOURS), (HOURS, HOURS + 20), (HOURS + 20, HOURS + 40))
    }
    first = events.pop(0)
    small_table(lake, "src.events", schema, first, message="what the source sent")
    small_table(lake, "raw.arrivals", schema, first, message="from hour 0", inputs=["src.events@0"])
    for hour, rows in events.items():
        more_rows(lake, "raw.arrivals", schema, rows, message=f"from hour {hour}")
    labels = [(hour, carrier_of(hour), at(hour), int((hour - 2) % 7 > 3)) for hour in range(2, HOURS)]
    schema = "flight_id int, carrier string, scheduled_at timestamp, is_late int"
    small_table(lake, "raw.labels", schema, labels, message="labels")
    return lake


def make_world(spark, root: Path, store: str) -> World:
    lake = make_lake(spark, root)
    features = FeatureStore(lake)
    service = FeatureService("late", views=[delays()])
    features.apply([service])
    training_set = features.create_training_set(
        "raw.labels", service, timestamp="scheduled_at", label="is_late", name="late", at={"raw.arrivals": 0}
    )
    tracker = Tracker(lake, store, experiment="late")
    made = []
    for trees in (0, 5):
        params = {"test_from": "2013-01-09", "trees": trees}
        tags = {"owner": "ana"} if trees else {}
        with tracker.run(f"{trees} trees", training_set=training_set, params=params, tags=tags, entry=ENTRY) as run:
            model = train(training_set, params)
            run.log_metrics({"trees_used": trees}, split="test")
            made.append(run.log_model(model, signature_from=training_set.splits["train"], register_as="late"))
    return World(lake, store, features, tracker, training_set, *made)
