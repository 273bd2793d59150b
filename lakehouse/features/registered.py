"""Definitions in the lake's registry: each name has versions, and a changed meaning needs to be said twice.

Start at `apply_definitions`. A registered service is a list of view names, so it follows its views.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from lakehouse.errors import ConcurrentWriteError, DefinitionError, FeatureNotFoundError, did_you_mean
from lakehouse.features.definitions import Entity, FeatureService, FeatureView
from lakehouse.features.definitions.code import digest_of
from lakehouse.features.pins import Pins
from lakehouse.features.sources import read_events
from lakehouse.refs import nearest_names
from lakehouse.versioning import Lakehouse, Registry

Definition = Entity | FeatureView | FeatureService

_SCHEMA = "kind string, name string, version int, digest string, definition string, created_at timestamp"
_KINDS: Mapping[type, str] = {Entity: "entity", FeatureView: "feature view", FeatureService: "feature service"}


@dataclass(frozen=True)
class Change:
    """What `apply` does with one definition.

    Attributes:
        action: ``added``, ``changed`` (another meaning), ``described`` (other words only) or ``unchanged``.
        kind: ``entity``, ``feature view`` or ``feature service``.
        name: Its name.
        version: Its version in the registry, from 1.
        definition: What was given.
    """

    action: str
    kind: str
    name: str
    version: int
    definition: Definition

    def __str__(self) -> str:
        return f"{_MARKS[self.action]} {self.kind} {self.name} (version {self.version}, {self.action})"


_MARKS = {"added": "+", "changed": "~", "described": "~", "unchanged": "="}


@dataclass(frozen=True)
class Plan:
    """What `apply` does, definition by definition; prints one line each."""

    changes: tuple[Change, ...]

    def of(self, action: str) -> list[Change]:
        """Return the changes with that action."""
        return [change for change in self.changes if change.action == action]

    def __str__(self) -> str:
        return "\n".join(map(str, self.changes)) or "nothing to apply"


def apply_definitions(lake: Lakehouse, definitions: Iterable[Definition], *, replace: bool = False) -> Plan:
    """Check definitions against the real tables and each other, then register what is new.

    Raises:
        DefinitionError: A name has another meaning already and *replace* is false, two definitions share a name, or
            one doesn't fit its table. Nothing is registered then.
        TableNotFoundError: A source isn't there.
        MissingColumnsError: A source lacks a column that a view names.
        ConcurrentWriteError: Someone else registered the same name at the same time.
    """
    given = _gathered(definitions)
    registry = _registry(lake)
    newest = _newest(registry)
    plan = Plan(tuple(_change(definition, newest.get(_key(definition))) for definition in given))
    if plan.of("changed") and not replace:
        names = ", ".join(f"{change.kind} {change.name!r}" for change in plan.of("changed"))
        raise DefinitionError(
            "apply",
            f"{names} would change meaning under an old name:\n{plan}\n",
            "Use a new name, or apply(…, replace=True)",
        )
    pins = Pins(lake)
    for definition in given:
        if isinstance(definition, FeatureView):
            read_events(definition, pins)
    _register(registry, [change for change in plan.changes if change.action != "unchanged"])
    return plan


def find_service(lake: Lakehouse, name: str) -> FeatureService:
    """Return a registered service, or a registered view as a service of its own, in its newest version.

    Raises:
        FeatureNotFoundError: Neither is registered under that name.
        DefinitionError: A function in it isn't what it was when it was registered.
    """
    newest = _newest(_registry(lake))
    if ("feature service", name) in newest:
        plain = json.loads(newest["feature service", name].definition)
        views = [_view(newest, view).to_dict() for view in plain["views"]]
        return FeatureService.from_dict({**plain, "views": views})
    if ("feature view", name) in newest:
        return FeatureService(name, views=[_view(newest, name)])
    known = [registered for kind, registered in newest if kind != "entity"]
    hint = did_you_mean(nearest_names(name, known)) or f"Registered are {', '.join(sorted(known)) or 'none'}"
    raise FeatureNotFoundError(f"feature service {name!r}", "it is not registered", hint)


def _view(newest: Mapping[tuple[str, str], Any], name: str) -> FeatureView:
    return FeatureView.from_dict(json.loads(newest["feature view", name].definition))


def _gathered(definitions: Iterable[Definition]) -> list[Definition]:
    """Return entities, then views, then services, each once; a service brings its views, a view its entity."""
    found: dict[tuple[str, str], Definition] = {}
    for definition in _expanded(definitions):
        before = found.setdefault(_key(definition), definition)
        if _meaning(before) != _meaning(definition):
            kind, name = _key(definition)
            raise DefinitionError(f"{kind} {name!r}", "it is given twice with two meanings", "Rename one of them")
    order = list(_KINDS.values())
    return sorted(found.values(), key=lambda definition: order.index(_key(definition)[0]))


def _expanded(definitions: Iterable[Definition]) -> Iterator[Definition]:
    if isinstance(definitions, Entity | FeatureView | FeatureService):
        definitions = [definitions]
    for definition in definitions:
        if not isinstance(definition, Entity | FeatureView | FeatureService):
            raise DefinitionError(
                "apply", f"{definition!r} is no definition", "Give entities, feature views and services"
            )
        if isinstance(definition, FeatureService):
            yield from _expanded(definition.views)
        if isinstance(definition, FeatureView):
            yield definition.entity
        yield definition


def _key(definition: Definition) -> tuple[str, str]:
    return _KINDS[type(definition)], definition.name


def _plain(definition: Definition) -> dict[str, Any]:
    plain = definition.to_dict()
    if isinstance(definition, FeatureService):
        plain["views"] = [view.name for view in definition.views]
    return plain


def _meaning(definition: Definition) -> str:
    if isinstance(definition, FeatureView):
        return definition.digest
    return digest_of({name: value for name, value in _plain(definition).items() if name not in _WORDS})


_WORDS = ("description", "owner", "tags")


def _change(definition: Definition, before: Any) -> Change:
    kind, name = _key(definition)
    if before is None:
        return Change("added", kind, name, 1, definition)
    if before.digest != _meaning(definition):
        return Change("changed", kind, name, before.version + 1, definition)
    if json.loads(before.definition) != json.loads(json.dumps(_plain(definition))):
        return Change("described", kind, name, before.version + 1, definition)
    return Change("unchanged", kind, name, before.version, definition)


def _register(registry: Registry, changes: Sequence[Change]) -> None:
    if not changes:
        return
    now = datetime.now(timezone.utc)
    records = [
        {
            "kind": change.kind,
            "name": change.name,
            "version": change.version,
            "digest": _meaning(change.definition),
            "definition": json.dumps(_plain(change.definition)),
            "created_at": now,
        }
        for change in changes
    ]
    names = ", ".join(f"{change.kind} {change.name}" for change in changes)
    if registry.add_all(records, message=f"Apply {names}") < len(records):
        raise ConcurrentWriteError(names, "apply")


def _newest(registry: Registry) -> dict[tuple[str, str], Any]:
    """Return the newest version of each definition by kind and name."""
    newest: dict[tuple[str, str], Any] = {}
    for row in sorted(registry.rows(), key=lambda row: row.version):
        newest[row.kind, row.name] = row
    return newest


def _registry(lake: Lakehouse) -> Registry:
    return lake.registry("definitions", schema=_SCHEMA, keys=["kind", "name", "version"])
