"""``conf/*.yaml`` as checked, frozen records. Reads files, knows no Spark.

A job that needs settings of its own subclasses :class:`Settings` and loads that with :func:`load_settings`.
"""

import os
import re
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from lakehouse.errors import ConfigError, did_you_mean
from lakehouse.refs import nearest_names

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class Section(BaseModel):
    """A part of a settings file: frozen, and a key that it doesn't know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class LakeSettings(Section):
    """Where the tables are: under a folder, or in a Spark or Unity catalog; exactly one of the two.

    Attributes:
        root: Folder of path-based tables, ``root/schema/table``. A relative one counts from the working directory.
        catalog: Name of the catalog.
    """

    root: str | None = None
    catalog: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> "LakeSettings":
        if (self.root is None) == (self.catalog is None):
            raise ValueError("give either root or catalog")
        return self


class SparkSettings(Section):
    """How a session is built, where we build it.

    Attributes:
        app_name: Name of the application.
        master: Spark master, for a session that isn't started by ``spark-submit``.
        driver_memory: Heap of the driver, likewise.
        conf: Further Spark settings; what ``spark-submit --conf`` says wins over them.
    """

    app_name: str = "lakehouse"
    master: str = "local[*]"
    driver_memory: str = "3g"
    conf: dict[str, str | int | float | bool] = Field(default_factory=dict)


class TrackingSettings(Section):
    """Where runs and models are kept.

    Attributes:
        uri: MLflow tracking URI, such as ``sqlite:///mlflow.db``.
        experiment: Name of the experiment.
        artifacts: Folder or URI for the artifacts of a new experiment; the store's own default without it.
        required_tags: Tags without which no run begins, such as ``owner``.
        trust: Types to trust beyond our list in models that are loaded; ``pickle`` for those that were saved with it.
    """

    uri: str
    experiment: str = "default"
    artifacts: str | None = None
    required_tags: list[str] = Field(default_factory=list)
    trust: list[str] = Field(default_factory=list)


class ServingSettings(Section):
    """What a feature server allows and keeps, where that isn't said on its command line.

    Attributes:
        max_rows: Rows that one request may have.
        max_body_bytes: Size of a request's body.
        max_seconds: Time for one answer.
        reload_seconds: How often to look whether the model's alias has moved.
        log_table: ``schema.table`` of the lake that sampled requests are kept in; None keeps none.
        log_share: Share of the requests that are kept, from 0 to 1.
        log_flush_seconds: How often they are written.
    """

    max_rows: int = 1000
    max_body_bytes: int = 1 << 20
    max_seconds: float = 5.0
    reload_seconds: float = 5.0
    log_table: str | None = None
    log_share: float = 0.01
    log_flush_seconds: float = 60.0


class Settings(Section):
    """What :meth:`lakehouse.Lakehouse.open` reads.

    Attributes:
        lake: Where the tables are.
        spark: How a session is built.
        online: URI of the online store, such as ``lmdb:///srv/online``; None for offline only.
        tracking: Where runs and models are kept; None where nothing is tracked.
        serving: What a feature server allows and keeps.
    """

    lake: LakeSettings
    spark: SparkSettings = SparkSettings()
    online: str | None = None
    tracking: TrackingSettings | None = None
    serving: ServingSettings = ServingSettings()


SettingsT = TypeVar("SettingsT", bound=Section)


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in one section, of which YAML's readers take the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the section's keys and values."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                problem = f"the key {key.value!r} is there twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_settings(path: str | os.PathLike[str], model: type[SettingsT]) -> SettingsT:
    """Return the settings of a YAML file, checked against *model*.

    ``${NAME}`` and ``${NAME:-default}`` in a text are replaced from the environment, so that secrets stay out of files.

    Raises:
        ConfigError: The file is missing or not YAML, or a key is unknown, missing or of the wrong type. The error
            names the file, the key's path and the nearest key that is known.
    """
    file = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(file, "", f"can't be read ({error.strerror})", _files_beside(Path(path))) from error
    except UnicodeDecodeError as error:
        raise ConfigError(file, "", f"not text in UTF-8 ({error.reason} at byte {error.start})") from error
    try:
        content = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(file, "", f"not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(file, "", "holds no settings", f"It needs {', '.join(model.model_fields)}")
    return check_settings(_with_environment(file, "", content), model, file=file)


def check_settings(content: dict[str, Any], model: type[SettingsT], *, file: str) -> SettingsT:
    """Return *content* as *model*; *file* is what errors name as its place.

    Raises:
        ConfigError: As in :func:`load_settings`.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A misspelt key is both missing and unknown; what was written says more.
        unknown = [detail for detail in details if detail["type"] == "extra_forbidden"]
        raise _config_error(file, model, (unknown or details)[0]) from error


def _config_error(file: str, model: type[BaseModel], detail: ErrorDetails) -> ConfigError:
    location = [str(part) for part in detail["loc"]]
    key = ".".join(location)
    kind = detail["type"]
    if kind == "extra_forbidden":
        known = _known_keys(model, location[:-1])
        hint = did_you_mean(nearest_names(location[-1], known)) or f"Known here: {', '.join(known)}"
        return ConfigError(file, key, "unknown key", hint)
    if kind == "missing":
        return ConfigError(file, key, "missing", "Add it")
    problem = detail["msg"].removeprefix("Value error, ")
    return ConfigError(file, key, f"{problem[0].lower()}{problem[1:]}, not {detail['input']!r}")


def _known_keys(model: type[BaseModel], location: list[str]) -> list[str]:
    """Return the keys of the section at *location*, as far as the models tell."""
    kind: Any = model
    for part in location:
        kind = _inner(kind, part)
    return list(kind.model_fields) if _is_model(kind) else []


def _inner(kind: Any, part: str) -> Any:
    """Return the type below one key: of a section its field's, of a mapping its values', of a list its items'."""
    if _is_model(kind):
        field = kind.model_fields.get(part)
        return None if field is None else _without_none(field.annotation)
    arguments = get_args(kind)
    return _without_none(arguments[-1]) if arguments else None


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, UnionType):
        return next((one for one in get_args(kind) if _is_model(one) or get_origin(one)), None)
    return kind


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _with_environment(file: str, key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_environment(file, f"{key}.{name}".lstrip("."), item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_environment(file, f"{key}.{index}", item) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name, default = match.groups()
        found = os.environ.get(name, default)
        if found is None:
            raise ConfigError(file, key, f"environment variable {name} is not set", f"Set it, or write ${{{name}:-…}}")
        return found

    return _VARIABLE.sub(replace, value)


def _files_beside(path: Path) -> str:
    beside = sorted(file.name for file in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
    return did_you_mean(nearest_names(path.name, beside)) or (f"Beside it: {', '.join(beside)}" if beside else "")
