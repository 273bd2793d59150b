"""Definitions from YAML files: the records that Python makes, with the same checks; errors name file and key.

Start at `load_definitions`. `DefinitionFile` shows what a file may hold. No Spark.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from lakehouse.config import Section, load_settings
from lakehouse.errors import ConfigError, DefinitionError
from lakehouse.features.definitions.aggregations import Aggregation
from lakehouse.features.definitions.code import Sql, imported_function
from lakehouse.features.definitions.on_demand import OnDemandFeature
from lakehouse.features.definitions.scalars import scalar_from_plain
from lakehouse.features.definitions.services import FeatureService
from lakehouse.features.definitions.views import Entity, FeatureView, unknown_hint


class EntitySection(Section):
    """An entity; its name is its key in the file."""

    keys: list[str]


class AggregationSection(Section):
    """An aggregation; fields as in `Aggregation`, a condition as SQL or ``{function: package.module:name}``."""

    column: str
    function: str
    window: str | None
    closed: str = "left"
    delay: str | None = None
    every: str | None = None
    offset: str | None = None
    where: Any = None
    default: Any = None
    name: str | None = None
    q: float | None = None
    n: int | None = None


class ViewSection(Section):
    """A feature view; fields as in `FeatureView`, its entity by name, code as SQL or ``{function: …}``."""

    entity: str
    source: Any
    timestamp: str
    columns: list[str] = Field(default_factory=list)
    aggregations: list[AggregationSection] = Field(default_factory=list)
    ttl: str | None = None
    available_at: str | None = None
    where: Any = None
    derived: dict[str, Any] = Field(default_factory=dict)
    description: str = ""
    owner: str = ""
    tags: dict[str, str] = Field(default_factory=dict)


class OnDemandSection(Section):
    """An on-demand feature; fields as in `OnDemandFeature`, its function as ``package.module:name``."""

    function: str
    type: str
    request: dict[str, str] = Field(default_factory=dict)
    inputs: list[str] = Field(default_factory=list)
    takes_null: bool = False
    description: str = ""
    owner: str = ""
    tags: dict[str, str] = Field(default_factory=dict)


class ServiceSection(Section):
    """A feature service; fields as in `FeatureService`, views and on-demand features by name."""

    views: list[str]
    on_demand: list[str] = Field(default_factory=list)
    key_columns: dict[str, str] = Field(default_factory=dict)
    description: str = ""
    owner: str = ""
    tags: dict[str, str] = Field(default_factory=dict)


class DefinitionFile(Section):
    """What a file of definitions holds: names to definitions, each part may be absent."""

    entities: dict[str, EntitySection] = Field(default_factory=dict)
    feature_views: dict[str, ViewSection] = Field(default_factory=dict)
    on_demand_features: dict[str, OnDemandSection] = Field(default_factory=dict)
    feature_services: dict[str, ServiceSection] = Field(default_factory=dict)


def load_definitions(path: str | os.PathLike[str]) -> list[Entity | FeatureView | FeatureService]:
    """Return the definitions of a YAML file, or of all ``*.yaml`` and ``*.yml`` files of a folder together.

    A name may be used in one file and defined in another.

    Returns:
        Entities, then views, then services, each in the files' order; for `FeatureStore.apply`.

    Raises:
        ConfigError: A file is missing or not YAML, a key is unknown or missing, a name is defined twice or nowhere, or
            a definition has no meaning. The error names the file, the key's path and the nearest that is known.
    """
    reader = _Reader()
    for file in _files(Path(path)):
        reader.add(str(file), load_settings(file, DefinitionFile))
    return [*reader.entities(), *reader.views(), *reader.services()]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml"))
    if not found:
        raise ConfigError(str(path), "", "holds no YAML files", "Put definitions into files named *.yaml")
    return found


@dataclass(frozen=True)
class _Place:
    """Where something is written."""

    file: str
    key: str

    def at(self, *parts: object) -> "_Place":
        return _Place(self.file, ".".join([self.key, *map(str, parts)]))

    @contextmanager
    def named(self) -> Iterator[None]:
        """Let an error about a definition name this place."""
        try:
            yield
        except DefinitionError as error:
            raise ConfigError(self.file, self.key, f"{error.subject}: {error.problem}", error.hint) from error


_Found = dict[str, tuple[_Place, Any]]
"""Name to where it is defined, and how."""


@dataclass
class _Reader:
    """Gathers the sections of all files, then makes records of them."""

    sections: dict[str, _Found] = field(default_factory=lambda: {part: {} for part in DefinitionFile.model_fields})
    made: dict[str, dict[str, Any]] = field(default_factory=lambda: {part: {} for part in DefinitionFile.model_fields})

    def add(self, file: str, content: DefinitionFile) -> None:
        """Take in a file.

        Raises:
            ConfigError: It defines a name that another file has already.
        """
        for part, found in self.sections.items():
            for name, section in getattr(content, part).items():
                place = _Place(file, f"{part}.{name}")
                if name in found:
                    other = found[name][0].file
                    raise ConfigError(file, place.key, f"{other} defines {name!r} as well", "Rename one of them")
                found[name] = (place, section)

    def entities(self) -> Iterator[Entity]:
        for name, (place, section) in self.sections["entities"].items():
            with place.named():
                yield self._keep("entities", name, Entity(name, section.keys))

    def views(self) -> Iterator[FeatureView]:
        for name, (place, section) in self.sections["feature_views"].items():
            items = enumerate(section.aggregations)
            given = {
                "entity": self._named("entities", section.entity, place.at("entity")),
                "source": _code(section.source, place.at("source")),
                "where": _code(section.where, place.at("where")),
                "derived": {key: _code(code, place.at("derived", key)) for key, code in section.derived.items()},
                "aggregations": [_aggregation(item, place.at("aggregations", number)) for number, item in items],
            }
            with place.named():
                yield self._keep("feature_views", name, FeatureView(name, **{**dict(section), **given}))

    def services(self) -> Iterator[FeatureService]:
        for name, (place, section) in self.sections["on_demand_features"].items():
            with place.named():
                function = imported_function(section.function, f"on-demand feature {name!r}")
                self._keep("on_demand_features", name, OnDemandFeature(name, **{**dict(section), "function": function}))
        for name, (place, section) in self.sections["feature_services"].items():
            views = self._all_named("feature_views", section.views, place.at("views"))
            computed = self._all_named("on_demand_features", section.on_demand, place.at("on_demand"))
            with place.named():
                yield FeatureService(name, **{**dict(section), "views": views, "on_demand": computed})

    def _keep(self, part: str, name: str, definition: Any) -> Any:
        self.made[part][name] = definition
        return definition

    def _all_named(self, part: str, names: list[str], place: _Place) -> list[Any]:
        return [self._named(part, name, place.at(number)) for number, name in enumerate(names)]

    def _named(self, part: str, name: str, place: _Place) -> Any:
        if name not in self.made[part]:
            problem = f"{name!r} is not among {part}"
            raise ConfigError(place.file, place.key, problem, unknown_hint(name, self.made[part]))
        return self.made[part][name]


def _aggregation(section: AggregationSection, place: _Place) -> Aggregation:
    given = {**dict(section), "where": _code(section.where, place.at("where"))}
    with place.named():
        given["default"] = _scalar(section.default, place.at("default"))
        column, function, window = (given.pop(name) for name in ("column", "function", "window"))
        return Aggregation(column, function, window, **given)


def _scalar(value: Any, place: _Place) -> Any:
    """Return a default; what YAML has no literal for is a mapping with its type: ``{Decimal: "1.50"}``."""
    try:
        return scalar_from_plain(value)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        hint = 'Write a number, text or date, or {Decimal: "1.50"}, {datetime: "2026-01-01T00:00:00+00:00"}'
        raise ConfigError(place.file, place.key, f"{value!r} is no single value", hint) from error


def _code(value: Any, place: _Place) -> Any:
    """Return SQL as it is, ``{sql: …}`` as a query and ``{function: …}`` as the function."""
    if value is None or isinstance(value, str):
        return value
    hint = "Write SQL, or {function: package.module:name}"
    if not isinstance(value, Mapping) or len(value) != 1 or not isinstance(next(iter(value.values())), str):
        raise ConfigError(place.file, place.key, f"{value!r} is no code", hint)
    ((kind, text),) = value.items()
    with place.named():
        if kind == "sql":
            return Sql(text)
        if kind == "function":
            return imported_function(text, place.key)
    raise ConfigError(place.file, place.key, f"{kind!r} is no kind of code", hint)
