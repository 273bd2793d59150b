"""Definitions in the lake's registry: each name has versions, and a changed meaning needs to be said twice.

Start at `apply_definitions`. A registered service is a list of view names, so it follows its views. A removed name
keeps its versions: added again it counts on.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from lakehouse.errors import ConcurrentWriteError, DefinitionError, FeatureNotFoundError, did_you_mean
from lakehouse.features.definitions import Entity, FeatureService, FeatureView
from lakehouse.features.pins import Pins
from lakehouse.features.plans import KINDS, Affected, Change, Plan, differences, key_of, meaning_of, plain_of
from lakehouse.features.sources import read_events
from lakehouse.refs import nearest_names
from lakehouse.versioning import Lakehouse, Registry

Definition = Entity | FeatureView | FeatureService
Registered = Mapping[tuple[str, str], Any]
"""Kind and name to the newest record of what is registered."""

_SCHEMA = "kind string, name string, version int, digest string, definition string, created_at timestamp"


def apply_definitions(
    lake: Lakehouse,
    definitions: Iterable[Definition],
    *,
    replace: bool = False,
    prune: bool = False,
    affected: Callable[[Plan], Sequence[Affected]] = lambda plan: (),
) -> Plan:
    """Check definitions against the real tables and each other, then register what is new.

    Args:
        lake: Where they are registered.
        definitions: Entities, views and services; a service brings its views, a view its entity.
        replace: Take a changed meaning under a name that is registered already.
        prune: The definitions are all there are: those that are registered and not among them are removed.
        affected: Says what else a plan affects.

    Raises:
        DefinitionError: A name has another meaning already and *replace* is false, two definitions share a name, one
            doesn't fit its table, or has a function that can't be imported again. Nothing is registered then.
        TableNotFoundError: A source isn't there.
        MissingColumnsError: A source lacks a column that a view names.
        ConcurrentWriteError: Someone else registered the same name at the same time.
    """
    given = _gathered(definitions)
    registry = _registry(lake)
    newest = _newest(registry)
    changes = [_change(definition, newest.get(key_of(definition))) for definition in given]
    if prune:
        changes += _removals(given, newest)
    plan = Plan(tuple(changes))
    plan = plan.with_affected([*_services_affected(plan, newest), *affected(plan)])
    if plan.of("changed") and not replace:
        names = ", ".join(f"{change.kind} {change.name!r}" for change in plan.of("changed"))
        raise DefinitionError(
            "apply",
            f"{names} would change meaning under an old name:\n{plan}\n",
            "Use a new name, or apply(…, replace=True)",
        )
    _check(lake, given, plan)
    _register(registry, [change for change in plan.changes if change.action != "unchanged"])
    return plan


def registered(lake: Lakehouse) -> dict[tuple[str, str], Any]:
    """Return the newest record of each definition by kind and name, removed ones left out.

    A record has ``kind``, ``name``, ``version``, ``digest``, ``definition`` (JSON) and ``created_at``.
    """
    return _live(_newest(_registry(lake)))


def find_service(lake: Lakehouse, name: str) -> FeatureService:
    """Return a registered service, or a registered view as a service of its own, in its newest version.

    Raises:
        FeatureNotFoundError: Neither is registered under that name.
        DefinitionError: A function in it isn't what it was when it was registered.
    """
    newest = registered(lake)
    if ("feature service", name) in newest:
        return _service(newest, json.loads(newest["feature service", name].definition))
    if ("feature view", name) in newest:
        return FeatureService(name, views=[_view(newest, name)])
    known = [other for kind, other in newest if kind != "entity"]
    hint = did_you_mean(nearest_names(name, known)) or f"Registered are {', '.join(sorted(known)) or 'none'}"
    raise FeatureNotFoundError(f"feature service {name!r}", "it is not registered", hint)


def registered_versions(lake: Lakehouse, service: FeatureService) -> dict[str, int]:
    """Return the registered version of a service and of each of its views, as ``feature view carrier_delays`` to 3.

    What isn't registered, or means something else there by now, is left out.
    """
    newest = _newest(_registry(lake))
    found = {}
    definitions: tuple[Definition, ...] = (service, *service.views)
    for definition in definitions:
        row = newest.get(key_of(definition))
        if row is not None and row.digest == meaning_of(definition):
            found[" ".join(key_of(definition))] = int(row.version)
    return found


def find_view(lake: Lakehouse, name: str) -> FeatureView:
    """Return a registered view in its newest version.

    Raises:
        FeatureNotFoundError: None is registered under that name.
        DefinitionError: A function in it isn't what it was when it was registered.
    """
    newest = registered(lake)
    if ("feature view", name) in newest:
        return _view(newest, name)
    known = [other for kind, other in newest if kind == "feature view"]
    hint = did_you_mean(nearest_names(name, known)) or f"Registered are {', '.join(sorted(known)) or 'none'}"
    raise FeatureNotFoundError(f"feature view {name!r}", "it is not registered", hint)


def _service(newest: Registered, plain: Mapping[str, Any]) -> FeatureService:
    views = [json.loads(newest["feature view", view].definition) for view in plain["views"]]
    return FeatureService.from_dict({**plain, "views": views})


def _view(newest: Registered, name: str) -> FeatureView:
    return FeatureView.from_dict(json.loads(newest["feature view", name].definition))


def _gathered(definitions: Iterable[Definition]) -> list[Definition]:
    """Return entities, then views, then services, each once; a service brings its views, a view its entity."""
    found: dict[tuple[str, str], Definition] = {}
    for definition in _expanded(definitions):
        before = found.setdefault(key_of(definition), definition)
        if meaning_of(before) != meaning_of(definition):
            kind, name = key_of(definition)
            raise DefinitionError(f"{kind} {name!r}", "it is given twice with two meanings", "Rename one of them")
    order = list(KINDS.values())
    return sorted(found.values(), key=lambda definition: order.index(key_of(definition)[0]))


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


def _change(definition: Definition, before: Any) -> Change:
    kind, name = key_of(definition)
    if before is None:
        return Change("added", kind, name, 1, definition)
    if before.definition is None:
        return Change("added", kind, name, before.version + 1, definition)
    old, new = json.loads(before.definition), json.loads(json.dumps(plain_of(definition)))
    if before.digest != meaning_of(definition):
        return Change("changed", kind, name, before.version + 1, definition, differences(old, new))
    if old != new:
        return Change("described", kind, name, before.version + 1, definition, differences(old, new))
    return Change("unchanged", kind, name, before.version, definition)


def _removals(given: Sequence[Definition], newest: Registered) -> list[Change]:
    kept = set(map(key_of, given))
    gone = [row for key, row in _live(newest).items() if key not in kept]
    order = list(KINDS.values())
    ordered = sorted(gone, key=lambda row: (order.index(row.kind), row.name))
    return [Change("removed", row.kind, row.name, row.version + 1, None) for row in ordered]


def _services_affected(plan: Plan, newest: Registered) -> list[Affected]:
    """Return the registered services that follow a view which changes; those in the plan speak for themselves.

    Raises:
        DefinitionError: Such a service would have no meaning any more.
    """
    changed = [change.definition for change in plan.of("changed")]
    after = {view.name: plain_of(view) for view in changed if isinstance(view, FeatureView)}
    planned = {change.name for change in plan.changes if change.kind == "feature service"}
    found = []
    for (kind, name), row in _live(newest).items():
        plain = json.loads(row.definition)
        views = [view for view in plain.get("views", ()) if view in after]
        if kind != "feature service" or name in planned or not views:
            continue
        whole = [after.get(view) or json.loads(newest["feature view", view].definition) for view in plain["views"]]
        FeatureService.from_dict({**plain, "views": whole})
        found.append(Affected("feature service", name, f"view {', '.join(views)}", "follows its views"))
    return found


def _check(lake: Lakehouse, given: Sequence[Definition], plan: Plan) -> None:
    """Raise unless every definition can be read back, and every view fits its tables."""
    pins = Pins(lake)
    new = {(change.kind, change.name) for change in plan.changes if change.action != "unchanged"}
    for definition in given:
        if key_of(definition) in new:
            type(definition).from_dict(json.loads(json.dumps(definition.to_dict())))
        if isinstance(definition, FeatureView):
            read_events(definition, pins)


def _register(registry: Registry, changes: Sequence[Change]) -> None:
    if not changes:
        return
    now = datetime.now(timezone.utc)
    records = [
        {
            "kind": change.kind,
            "name": change.name,
            "version": change.version,
            "digest": "" if change.definition is None else meaning_of(change.definition),
            "definition": None if change.definition is None else json.dumps(plain_of(change.definition)),
            "created_at": now,
        }
        for change in changes
    ]
    names = ", ".join(f"{change.kind} {change.name}" for change in changes)
    if registry.add_all(records, message=f"Apply {names}") < len(records):
        raise ConcurrentWriteError(names, "apply")


def _newest(registry: Registry) -> dict[tuple[str, str], Any]:
    """Return the newest record of each definition by kind and name; one without a definition was removed."""
    newest: dict[tuple[str, str], Any] = {}
    for row in sorted(registry.rows(), key=lambda row: row.version):
        newest[row.kind, row.name] = row
    return newest


def _live(newest: Registered) -> dict[tuple[str, str], Any]:
    return {key: row for key, row in newest.items() if row.definition is not None}


def _registry(lake: Lakehouse) -> Registry:
    return lake.registry("definitions", schema=_SCHEMA, keys=["kind", "name", "version"])
