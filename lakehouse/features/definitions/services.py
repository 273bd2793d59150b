"""The features of one model, as one name: `FeatureService`. Frozen, no Spark."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lakehouse.errors import DefinitionError
from lakehouse.features.definitions.aggregations import check_fields
from lakehouse.features.definitions.code import digest_of
from lakehouse.features.definitions.on_demand import AT, OnDemandFeature, request_types
from lakehouse.features.definitions.pairs import Pairs, pair_tuple
from lakehouse.features.definitions.views import FeatureView, check_object_name, unknown_hint


@dataclass(frozen=True, slots=True)
class FeatureService:
    """Several feature views that are asked for together.

    The order of features is the order of its views, then that of the on-demand features.

    Attributes:
        name: Name of the service.
        views: Its feature views.
        on_demand: Features that are computed when they are asked for, of request columns and of features before them.
        key_columns: Columns of the labels that hold a key under another name: (key, column) pairs, see `with_keys`.
        description: What the service is for.
        owner: Who answers for it.
        tags: Free labels, name to text.
    """

    name: str
    views: Sequence[FeatureView]
    on_demand: Sequence[OnDemandFeature] = field(default=(), kw_only=True)
    key_columns: Pairs | Mapping[str, str] = field(default=(), kw_only=True)
    description: str = field(default="", kw_only=True)
    owner: str = field(default="", kw_only=True)
    tags: Pairs | Mapping[str, str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        check_object_name(self.name, "feature service")
        self._check_views()
        self._check_on_demand()
        for what in ("key_columns", "tags"):
            object.__setattr__(self, what, pair_tuple(getattr(self, what), self._subject, what))
        for key, column in pair_tuple(self.key_columns, self._subject, "key_columns"):
            if key not in self.keys:
                raise DefinitionError(
                    self._subject, f"none of its entities has the key {key!r}", unknown_hint(key, self.keys)
                )
            if not isinstance(column, str) or not column:
                raise DefinitionError(self._subject, f"{key}={column!r} is not a column's name", "")

    @property
    def keys(self) -> tuple[str, ...]:
        """Key columns of all views, each once, in the views' order."""
        return tuple(dict.fromkeys(key for view in self.views for key in view.keys))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of all features in order."""
        stored = (name for view in self.views for name in view.features)
        return (*stored, *(feature.name for feature in self.on_demand))

    @property
    def request(self) -> dict[str, str]:
        """Columns that labels and online requests must bring for on-demand features: name to type."""
        return request_types(self.on_demand)

    @property
    def digest(self) -> str:
        """SHA-256 of the meaning: of views and on-demand features in order. Renamed keys are not part of it."""
        computed = {"on_demand": [feature.meaning for feature in self.on_demand]} if self.on_demand else {}
        return digest_of({"name": self.name, "views": [view.digest for view in self.views], **computed})

    def with_keys(self, **columns: str) -> "FeatureService":
        """Return the same service for labels that hold keys under other names: ``with_keys(origin="dep_airport")``.

        It can be used at once: nothing that is registered or stored depends on it.

        Raises:
            DefinitionError: No view of the service has such a key.
        """
        return replace(self, key_columns={**dict(self.key_columns), **columns})

    def label_keys(self, view: FeatureView) -> tuple[str, ...]:
        """Return the label columns that hold the keys of *view*, in the order of its keys."""
        renamed = dict(self.key_columns)
        return tuple(renamed.get(key, key) for key in view.keys)

    def to_dict(self) -> dict[str, Any]:
        """Return the service, its views included, as plain values that JSON can carry."""
        plain = {
            "name": self.name,
            "views": [view.to_dict() for view in self.views],
            "on_demand": [feature.to_dict() for feature in self.on_demand],
            "key_columns": dict(self.key_columns),
            "description": self.description,
            "owner": self.owner,
            "tags": dict(self.tags),
        }
        return {name: value for name, value in plain.items() if value not in ("", {}, [])}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "FeatureService":
        """Return the service that `to_dict` described.

        Raises:
            DefinitionError: A field is missing, unknown or without meaning, or a function isn't what it was.
        """
        known = ["name", "views", "on_demand", "key_columns", "description", "owner", "tags"]
        check_fields(plain, known, ["name", "views"], f"feature service {plain.get('name')!r}")
        computed = [OnDemandFeature.from_dict(feature) for feature in plain.get("on_demand", ())]
        views = [FeatureView.from_dict(view) for view in plain["views"]]
        return cls(**{**plain, "views": views, "on_demand": computed})

    @property
    def _subject(self) -> str:
        return f"feature service {self.name!r}"

    def _check_views(self) -> None:
        if isinstance(self.views, FeatureView) or not isinstance(self.views, Iterable):
            raise DefinitionError(self._subject, "views is not a list", "Write views=[view, …]")
        object.__setattr__(self, "views", tuple(self.views))
        for view in self.views:
            if not isinstance(view, FeatureView):
                raise DefinitionError(self._subject, f"{view!r} is not a FeatureView", "Give FeatureView objects")
        if not self.views:
            raise DefinitionError(self._subject, "it has no views", "Give at least one feature view")
        owners: dict[str, str] = {}
        for view in self.views:
            if [other.name for other in self.views].count(view.name) > 1:
                raise DefinitionError(self._subject, f"two views are named {view.name!r}", "Rename one of them")
            for name in view.features:
                if name in owners:
                    raise DefinitionError(
                        self._subject,
                        f"{owners[name]!r} and {view.name!r} both have a feature {name!r}",
                        "Give one of them a name=",
                    )
                owners[name] = view.name

    def _check_on_demand(self) -> None:
        features = self.on_demand
        if isinstance(features, OnDemandFeature) or not isinstance(features, Iterable):
            raise DefinitionError(self._subject, "on_demand is not a list", "Write on_demand=[OnDemandFeature(…)]")
        object.__setattr__(self, "on_demand", tuple(features))
        known = {*self.keys, *(name for view in self.views for name in view.features)}
        request: dict[str, str] = {}
        for feature in self.on_demand:
            if not isinstance(feature, OnDemandFeature):
                raise DefinitionError(self._subject, f"{feature!r} is not an OnDemandFeature", "")
            self._check_request(feature, known, request)
            if feature.name in known or feature.name in request:
                problem = f"on-demand feature {feature.name!r} has the name of a key, feature or request column"
                raise DefinitionError(self._subject, problem, "Rename it")
            known.add(feature.name)

    def _check_request(self, feature: OnDemandFeature, known: set[str], request: dict[str, str]) -> None:
        """Check a feature's inputs against what the service has so far, and take in its request columns."""
        subject = f"{self._subject}, on-demand feature {feature.name!r}"
        for name, kind in dict(feature.request).items():
            if name in known:
                raise DefinitionError(
                    subject, f"request column {name!r} is a key or a feature of the service", "Leave it out of request"
                )
            if request.setdefault(name, kind) != kind:
                raise DefinitionError(
                    subject, f"request column {name!r} is {kind} here and {request[name]} elsewhere", "Declare one type"
                )
        own = {*known, *dict(feature.request), AT}
        strange = [name for name in feature.inputs if name not in own]
        if strange:
            hint = unknown_hint(strange[0], own) + " A column that the labels bring is declared in request="
            problem = f"input {strange[0]!r} is no key, request column or feature that comes before"
            raise DefinitionError(subject, problem, hint)
