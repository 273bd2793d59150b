"""What was made with definitions that change or go: online records, training sets, feature tables. Changes nothing."""

import json
from collections.abc import Mapping

from lakehouse.errors import OnlineStoreError
from lakehouse.features.offline_records import newest_records
from lakehouse.features.plans import Affected, Change, Plan
from lakehouse.online import open_store
from lakehouse.versioning import Lakehouse


def affected_by(plan: Plan, lake: Lakehouse, online: str | None) -> list[Affected]:
    """Return what was made with the views that a plan changes or removes: records, feature tables, training sets.

    Args:
        plan: What is going to be done.
        lake: Whose registry to look at.
        online: URI of the online store; None is none.
    """
    views = {change.name: change for change in plan.outdated if change.kind == "feature view"}
    if not views:
        return []
    return [*_online_records(views, online), *_feature_tables(views, lake), *_training_sets(views, lake)]


def _online_records(views: Mapping[str, Change], online: str | None) -> list[Affected]:
    if online is None:
        return []
    try:
        with open_store(online) as store:
            _, document = store.metadata()
    except OnlineStoreError:
        return []
    stored = {name for name, entry in document.get("views", {}).items() if entry.get("current") is not None}
    effects = {"changed": "read as STALE until materialized again", "removed": "stay as they are"}
    return [
        Affected("online records", name, f"view {name} is {change.action}", effects[change.action])
        for name, change in views.items()
        if name in stored
    ]


def _feature_tables(views: Mapping[str, Change], lake: Lakehouse) -> list[Affected]:
    found = []
    for table, record in sorted(newest_records(lake).items()):
        because = [f"view {name} is {change.action}" for name, change in views.items() if name in record.sources]
        if because:
            effect = "is computed anew by the next write_offline"
            found.append(Affected("feature table", table, ", ".join(because), effect))
    return found


def _training_sets(views: Mapping[str, Change], lake: Lakehouse) -> list[Affected]:
    rows = lake.registry("training_sets", schema="name string, digest string", keys=["name", "digest"]).rows()
    found = []
    for row in sorted(rows, key=lambda row: (row.name, row.created_at)):
        made_with = {view["name"] for view in json.loads(row.record)["service"]["views"]}
        because = [f"view {name} is {change.action}" for name, change in views.items() if name in made_with]
        if because:
            title = f"{row.name} ({row.digest[:12]})"
            found.append(Affected("training set", title, ", ".join(because), "keeps its old definition"))
    return found
