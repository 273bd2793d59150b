"""On-demand features at the moment of a read: of the request, its keys and stored features. Start at `OnDemandPlan`.

The functions are those of the definition, imported where the read happens; a function whose source isn't what was
registered is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lakehouse.errors import OnlineStoreError
from lakehouse.features.definitions import FeatureService, OnDemandFeature, on_demand_values, request_values
from lakehouse.features.definitions.on_demand import AT, request_types
from lakehouse.online.generations import register_service, stored_service
from lakehouse.online.readings import Readings
from lakehouse.online.statuses import Status
from lakehouse.online.stores import Document, open_store
from lakehouse.online.value_types import EPOCH
from lakehouse.online.views import NEVER


@dataclass(frozen=True, slots=True)
class OnDemandPlan:
    """How the on-demand features of one service are computed.

    Attributes:
        features: The features, in order.
        stored: Names of the service's stored features, in the order of readings.
        keys: Key of an entity to the column of the request that holds it.
        request: Columns that a request brings besides keys.
    """

    features: tuple[OnDemandFeature, ...]
    stored: tuple[str, ...]
    keys: Mapping[str, str]
    request: tuple[str, ...]

    @classmethod
    def of(
        cls, document: Document, service: str, stored: Sequence[str], keys: Mapping[str, str]
    ) -> "OnDemandPlan | None":
        """Return the plan of a service, None where it has no on-demand features.

        Raises:
            DefinitionError: A function can't be imported here, or isn't what it was when it was registered.
            OnlineStoreError: A stored feature that one takes isn't in the store any more.
        """
        plain = document.get("on_demand", {}).get(service, ())
        if not plain:
            return None
        features = tuple(map(OnDemandFeature.from_dict, plain))
        request = tuple(request_types(features))
        known = {*stored, *keys, *request, AT, *(feature.name for feature in features)}
        gone = [name for feature in features for name in feature.inputs if name not in known]
        if gone:
            problem = f"its on-demand features take {gone[0]!r}, which no stored view has any more"
            hint = "Run store.materialize(service), or apply the service anew"
            raise OnlineStoreError(f"feature service {service!r}", problem, hint)
        return cls(features, tuple(stored), dict(keys), request)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features."""
        return tuple(feature.name for feature in self.features)

    def readings(self, rows: Sequence[Mapping[str, Any]], stored: Sequence[Readings], at: int) -> Readings:
        """Return the features of some request rows.

        What is made of a stale value is stale itself: null, never a number that may be wrong.

        Args:
            rows: The rows.
            stored: Their stored features, view by view.
            at: The moment of the read, microseconds.

        Raises:
            OnDemandError: A request column isn't there or of another type, or a function failed; names the row.
        """
        found = []
        for number, row in enumerate(rows):
            values = [value for view in stored for value in view.values[number]]
            statuses = [status for view in stored for status in view.statuses[number]]
            found.append(self._computed(row, values, statuses, at, f"row {number} of the request"))
        ages = [(NEVER,) * len(self.features)] * len(found)
        return Readings([values for values, _ in found], [told for _, told in found], ages, tuple)

    def _computed(
        self, request: Mapping[str, Any], stored: Sequence[Any], statuses: Sequence[Status], at: int, subject: str
    ) -> tuple[list[Any], list[Status]]:
        values: dict[str, Any] = {AT: EPOCH + timedelta(microseconds=at)}
        values |= {key: request[column] for key, column in self.keys.items()}
        values |= dict(zip(self.stored, stored, strict=True))
        values |= request_values(self.features, request, subject)
        stale = {name for name, status in zip(self.stored, statuses, strict=True) if status is Status.STALE}
        fresh = []
        for feature in self.features:
            if stale.isdisjoint(feature.inputs):
                fresh.append(feature)
            else:
                stale.add(feature.name)
        found = on_demand_values(fresh, values)
        return [found.get(name) for name in self.names], [_status(found, name) for name in self.names]


def renew_on_demand(service: FeatureService, uri: str) -> None:
    """Let a service in a store have the on-demand features of its new definition.

    A store or service that isn't there is left alone, and so is a service of other views: `materialize` brings it.

    Raises:
        DefinitionError: A function can't be imported again.
    """
    computed = plain_on_demand(service)
    try:
        store = open_store(uri, writable=True)
    except OnlineStoreError:
        return
    with store:
        _, document = store.metadata()
        if service.name not in document.get("services", {}):
            return
        views = stored_service(document, service.name, uri)
        if list(views) == [view.name for view in service.views]:
            register_service(store, service.name, views, computed)


def plain_on_demand(service: FeatureService) -> list[dict[str, Any]]:
    """Return the on-demand features of a service as a store keeps them.

    Raises:
        DefinitionError: A function can't be imported again, and so not where features are read.
    """
    plain = [feature.to_dict() for feature in service.on_demand]
    for feature in plain:
        OnDemandFeature.from_dict(feature)
    return plain


def _status(found: Mapping[str, Any], name: str) -> Status:
    if name not in found:
        return Status.STALE
    return Status.NULL if found[name] is None else Status.PRESENT
