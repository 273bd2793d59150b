"""The features of one model, as one name: `FeatureService`. Frozen, no Spark."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lakehouse.errors import DefinitionError
from lakehouse.features.definitions.aggregations import check_fields
from lakehouse.features.definitions.code import digest_of
from lakehouse.features.definitions.views import (
    FeatureView,
    Pairs,
    check_object_name,
    pair_tuple,
    unknown_hint,
)


@dataclass(frozen=True, slots=True)
class FeatureService:
    """Several feature views that are asked for together; the order of features is the order of its views.

    Attributes:
        name: Name of the service.
        views: Its feature views.
        key_columns: Columns of the labels that hold a key under another name: (key, column) pairs, see `with_keys`.
        description: What the service is for.
        owner: Who answers for it.
        tags: Free labels, name to text.
    """

    name: str
    views: Sequence[FeatureView]
    key_columns: Pairs | Mapping[str, str] = field(default=(), kw_only=True)
    description: str = field(default="", kw_only=True)
    owner: str = field(default="", kw_only=True)
    tags: Pairs | Mapping[str, str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        check_object_name(self.name, "feature service")
        self._check_views()
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
        return tuple(name for view in self.views for name in view.features)

    @property
    def digest(self) -> str:
        """SHA-256 of the meaning: the views' digests in order. Renamed keys are not part of it."""
        return digest_of({"name": self.name, "views": [view.digest for view in self.views]})

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
            "key_columns": dict(self.key_columns),
            "description": self.description,
            "owner": self.owner,
            "tags": dict(self.tags),
        }
        return {name: value for name, value in plain.items() if value not in ("", {})}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "FeatureService":
        """Return the service that `to_dict` described.

        Raises:
            DefinitionError: A field is missing, unknown or without meaning, or a function isn't what it was.
        """
        known = ["name", "views", "key_columns", "description", "owner", "tags"]
        check_fields(plain, known, ["name", "views"], f"feature service {plain.get('name')!r}")
        return cls(**{**plain, "views": [FeatureView.from_dict(view) for view in plain["views"]]})

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
