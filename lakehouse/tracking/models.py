"""Models on their way in and out: what is saved beside an estimator, and a load that checks every byte and every type.

Start at `spec_of` and `load_checked`. Saving and loading go through skops with our own list of types (`trusted`).
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lakehouse.errors import TrackingError
from lakehouse.tracking.backend import Backend, ModelSpec
from lakehouse.tracking.environment import model_requirements
from lakehouse.tracking.manifest import check_manifest
from lakehouse.tracking.predictors import predictor_of, takes_context
from lakehouse.tracking.samples import Sample, input_types
from lakehouse.tracking.spark_models import is_spark_model
from lakehouse.tracking.trusted import trusted_types

MANIFEST_TAG = "lakehouse.manifest"
"""Tag of a model and of its registered versions: the sha256 of each file, as JSON."""

INPUT_TYPES_TAG = "lakehouse.input_types"
"""Tag of a model: its input columns and their pandas types, as JSON."""

KIND_TAG = "lakehouse.kind"
"""Tag of a model and of its registered versions: how it was saved."""

SKOPS, PICKLE, SPARK, PYFUNC = "skops", "pickle", "spark", "pyfunc"

_EXAMPLE_ROWS = 5
MODEL_FILE = "model.skops"
"""The estimator among a model's files."""

_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>[0-9]+)|@(?P<alias>[^/@]+))?")


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A model as it was logged by a run.

    Attributes:
        model_id: The backend's id.
        uri: ``models:/`` and that id.
        name: The registered model; empty when it was not registered.
        version: The registered version; None when it was not registered.
    """

    model_id: str
    uri: str
    name: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """What a model URI means now.

    Attributes:
        uri: As asked.
        model_id: The backend's id.
        run_id: The run that made it.
        tags: Tags of the registered version, or of the model when it was named by its id.
        name: The registered model; empty when it was named by its id.
        version: The registered version; None when it was named by its id.
        aliases: Aliases that point at the version.
    """

    uri: str
    model_id: str
    run_id: str
    tags: Mapping[str, str]
    name: str = ""
    version: int | None = None
    aliases: Sequence[str] = ()


def resolve_model(backend: Backend, uri: str) -> ResolvedModel:
    """Return what ``models:/name/3``, ``models:/name@champion`` or ``models:/m-…`` (a model's id) means now.

    Raises:
        TrackingError: It is written otherwise, or there is no such model, version or alias.
    """
    match = _URI.fullmatch(uri)
    hint = "Write it as models:/name/3, models:/name@champion or models:/m-0123…"
    if match is None:
        raise TrackingError(f"model {uri!r}", "it does not name a model", hint)
    name, alias = match["name"], match["alias"]
    if match["version"] is None and alias is None:
        if not name.startswith("m-"):
            raise TrackingError(f"model {uri!r}", "it does not say which version", hint)
        record = backend.models.get(name)
        return ResolvedModel(uri, record.model_id, record.run_id, record.tags)
    version = int(match["version"]) if alias is None else _version_of_alias(backend, name, alias)
    found = backend.registry.get(name, version)
    return ResolvedModel(uri, found.model_id, found.run_id, found.tags, name, version, tuple(found.aliases))


def spec_of(
    estimator: Any,
    sample: Sample,
    *,
    name: str,
    trust: Iterable[str] = (),
    tags: Mapping[str, str],
    params: Mapping[str, str],
) -> ModelSpec:
    """Return the estimator with its signature, example, requirements and types, checked before anything is saved.

    Raises:
        TrackingError: It is of no kind that can be saved, skops can't save it, it holds a type that nobody trusts, or
            it can't be applied to the rows.
    """
    subject = f"model {name!r}"
    kind = kind_of_model(estimator, trust, subject)
    trusted = _check_types(estimator, trust, subject) if kind == SKOPS else []
    try:
        outputs = _outputs(estimator, kind, sample)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        hint = "Give signature_from= rows with the columns that the model was fitted on"
        raise TrackingError(subject, f"it can't be applied to the rows of its signature: {error}", hint) from error
    return ModelSpec(
        name=name,
        kind=kind,
        estimator=estimator,
        inputs=sample.frame,
        outputs=outputs,
        example=sample.frame.head(_EXAMPLE_ROWS) if sample.example is None else sample.example,
        requirements=model_requirements(_modules_of(estimator)),
        trusted=trusted,
        tags={**tags, INPUT_TYPES_TAG: input_types(sample.frame), KIND_TAG: kind},
        params=params,
    )


def kind_of_model(estimator: Any, trust: Iterable[str], subject: str) -> str:
    """Return how a model is saved: ``skops``, ``pickle``, ``spark`` or ``pyfunc``.

    Raises:
        TrackingError: It is none that can be saved without pickle, and nobody asked for pickle.
    """
    from sklearn.base import BaseEstimator

    pickled = PICKLE in trust
    if isinstance(estimator, BaseEstimator):
        return PICKLE if pickled else SKOPS
    if is_spark_model(estimator):
        return SPARK
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(estimator).__mro__}
    if "mlflow.pyfunc.model.PythonModel" in names and pickled:
        return PYFUNC
    hint = "Wrap it as an mlflow.pyfunc.PythonModel and pass trust=['pickle'], or log it as a file with run.log_file"
    raise TrackingError(subject, f"{type(estimator).__name__} is no scikit-learn estimator or Spark ML model", hint)


def _outputs(estimator: Any, kind: str, sample: Sample) -> Any:
    """Return what a model answers for a few rows."""
    if kind == PYFUNC:
        return estimator.predict(*([None] if takes_context(estimator) else []), sample.few)
    if kind != SPARK:
        return estimator.predict(sample.few)
    import pandas as pd

    return pd.DataFrame({"prediction": predictor_of(estimator, sample.spark).predict(sample.few)})


def load_checked(backend: Backend, model: ResolvedModel, *, trust: Iterable[str] = ()) -> Any:
    """Return the estimator of a model, from a copy whose every file is as it was saved.

    Raises:
        TrackingError: The model has no manifest, a file was changed, added or removed, the file holds a type that
            nobody trusts, or it was saved with pickle and nobody said to trust that.
    """
    with checked_files(backend, model) as folder:
        return loader_of(backend, model, trust)(folder)


def loader_of(backend: Backend, model: ResolvedModel, trust: Iterable[str] = ()) -> Callable[[Path], Any]:
    """Return what loads the model from a folder with its files, checked before; it can travel to workers."""
    kind, subject = model.tags.get(KIND_TAG, SKOPS), f"model {model.uri}"
    return partial(_load, kind=kind, trust=tuple(trust), subject=subject, load_other=backend.models.load)


def _load(
    folder: Path, *, kind: str, trust: tuple[str, ...], subject: str, load_other: Callable[[str, Path], Any]
) -> Any:
    if kind in (PICKLE, PYFUNC) and PICKLE not in trust:
        hint = (
            "If you trust who wrote it, pass trust=['pickle'], here or to the Tracker: loading runs what its file says"
        )
        raise TrackingError(subject, "it was saved with pickle", hint)
    return _load_estimator(folder / MODEL_FILE, trust, subject) if kind == SKOPS else load_other(kind, folder)


@contextmanager
def checked_files(backend: Backend, model: ResolvedModel) -> Iterator[Path]:
    """Open a folder with a copy of a model's files, every one as it was saved.

    Raises:
        TrackingError: The model has no manifest, or a file was changed, added or removed.
    """
    subject = f"model {model.uri}"
    manifest = model.tags.get(MANIFEST_TAG)
    if manifest is None:
        hint = "Log it with run.log_model, or load it with mlflow at your own risk"
        raise TrackingError(subject, "no manifest of its files was recorded", hint)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        backend.models.fetch(model.model_id, folder)
        check_manifest(folder, json.loads(manifest), subject=subject)
        yield folder


def _load_estimator(file: Path, trust: Iterable[str], subject: str) -> Any:
    """Return the estimator of a skops file whose every type is trusted.

    Raises:
        TrackingError: It holds a type that nobody trusts.
    """
    import skops.io

    allowed = trusted_types(trust)
    strange = sorted(set(skops.io.get_untrusted_types(file=file)) - set(allowed))
    if strange:
        raise _untrusted(subject, strange)
    return skops.io.load(file, trusted=allowed)


def _check_types(estimator: Any, trust: Iterable[str], subject: str) -> list[str]:
    import skops.io

    try:
        found = set(skops.io.get_untrusted_types(data=skops.io.dumps(estimator)))
    except Exception as error:
        # skops raises whatever the reduction of some object raises.
        hint = "Functions and classes of a script or notebook can't be saved: move them to a module"
        raise TrackingError(subject, f"skops can't save it: {error}", hint) from error
    strange = sorted(found - set(trusted_types(trust)))
    if strange:
        raise _untrusted(subject, strange)
    return sorted(found)


def _untrusted(subject: str, types: Sequence[str]) -> TrackingError:
    hint = f"If you know them, pass trust={list(types)!r}, here and when it is loaded"
    return TrackingError(subject, f"it holds types that are not on the list of trusted ones: {', '.join(types)}", hint)


def _modules_of(estimator: Any) -> set[str]:
    """Return the modules of the estimator's type and of what it is built from."""
    params = estimator.get_params(deep=True).values() if hasattr(estimator, "get_params") else ()
    parts = [estimator, *params]
    return {type(part).__module__ for part in parts}


def _version_of_alias(backend: Backend, name: str, alias: str) -> int:
    version = backend.registry.alias(name, alias)
    if version is None:
        hint = f"tracker.promote({name!r}, version=…, to={alias!r}, reason=…) sets it"
        raise TrackingError(f"model {name!r}", f"it has no {alias!r}", hint)
    return version
