"""What `apply` is going to do: `Plan`, its changes, and what they affect. Plain values; no Spark, no storage."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from lakehouse.features.definitions import Entity, FeatureService, FeatureView
from lakehouse.features.definitions.code import digest_of

Definition = Entity | FeatureView | FeatureService

KINDS: Mapping[type, str] = {Entity: "entity", FeatureView: "feature view", FeatureService: "feature service"}
WORDS = ("description", "owner", "tags")
"""Fields that don't change a meaning."""

_MARKS = {"added": "+", "changed": "~", "described": "~", "unchanged": "=", "removed": "-"}


@dataclass(frozen=True)
class Change:
    """What `apply` does with one definition.

    Attributes:
        action: ``added``, ``changed`` (another meaning), ``described`` (other words only), ``unchanged`` or
            ``removed``.
        kind: ``entity``, ``feature view`` or ``feature service``.
        name: Its name.
        version: Its version in the registry, from 1.
        definition: What was given; None where it is removed.
        details: What differs from the version before, a line each.
    """

    action: str
    kind: str
    name: str
    version: int
    definition: Definition | None
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = f"{_MARKS[self.action]} {self.kind} {self.name} (version {self.version}, {self.action})"
        return "\n".join([head, *(f"    {line}" for line in self.details)])


@dataclass(frozen=True)
class Affected:
    """Something that was made with a definition that changes or goes.

    Attributes:
        kind: ``online records``, ``training set``, ``feature table`` or ``feature service``.
        name: Its name.
        because: The definition.
        effect: What happens to it.
    """

    kind: str
    name: str
    because: str
    effect: str

    def __str__(self) -> str:
        return f"! {self.kind} {self.name}: {self.effect} ({self.because})"


@dataclass(frozen=True)
class Plan:
    """What `apply` does, definition by definition; prints a line each.

    Attributes:
        changes: The definitions: entities, views, services, then those that are removed.
        affected: What was made with definitions that change or go.
    """

    changes: tuple[Change, ...]
    affected: tuple[Affected, ...] = ()

    def of(self, action: str) -> list[Change]:
        """Return the changes with that action."""
        return [change for change in self.changes if change.action == action]

    @property
    def outdated(self) -> list[Change]:
        """The changes after which what was made before no longer is what the definition says."""
        return [*self.of("changed"), *self.of("removed")]

    def with_affected(self, affected: Sequence[Affected]) -> "Plan":
        """Return the same plan with what it affects."""
        return replace(self, affected=tuple(affected))

    def __str__(self) -> str:
        return "\n".join(map(str, (*self.changes, *self.affected))) or "nothing to apply"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def key_of(definition: Definition) -> tuple[str, str]:
    """Return kind and name of a definition."""
    return KINDS[type(definition)], definition.name


def plain_of(definition: Definition) -> dict[str, Any]:
    """Return a definition as the registry keeps it: a service names its views."""
    plain = definition.to_dict()
    if isinstance(definition, FeatureService):
        plain["views"] = [view.name for view in definition.views]
    return plain


def meaning_of(definition: Definition) -> str:
    """Return the digest of what a definition means, words left out."""
    if isinstance(definition, FeatureView):
        return definition.digest
    return digest_of({name: value for name, value in plain_of(definition).items() if name not in WORDS})


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Return how one definition became another, as plain values: features that came and went, fields that changed."""
    lines = []
    old, new = _parts(before), _parts(after)
    lines += [f"+ {name}" for name in new if name not in old]
    lines += [f"- {name}" for name in old if name not in new]
    lines += [
        f"~ {name}: {_short(old[name])} -> {_short(new[name])}" for name in new if old.get(name, new[name]) != new[name]
    ]
    return tuple(lines)


def _parts(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a definition by name: its features, and each other field."""
    parts: dict[str, Any] = {f"column {name}": name for name in plain.get("columns", ())}
    for what in ("aggregations", "on_demand"):
        for item in plain.get(what, ()):
            parts[f"feature {_output(item)}"] = item
    if plain.get("views"):
        parts |= {f"view {name}": name for name in plain["views"]}
    rest = ("columns", "aggregations", "on_demand", "views")
    return {**parts, **{name: value for name, value in plain.items() if name not in rest}}


def _output(item: Mapping[str, Any]) -> str:
    if "name" in item:
        return str(item["name"])
    column = [] if item["column"] == "*" else [item["column"]]
    delay = ["delay", item["delay"]] if item.get("delay") else []
    return "_".join(map(str, [*column, item["function"], item["window"] or "lifetime", *delay]))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 80 else f"{text[:77]}..."
