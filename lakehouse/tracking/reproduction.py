"""Make a model again from its record, and say what came out equal.

Start at `reproduce`. The training set is rebuilt from its record, the run's entry is called with it and the run's
parameters, and both models answer for the same rows.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lakehouse.errors import TrackingError
from lakehouse.tracking.backend import Backend, RunRecord
from lakehouse.tracking.code import CodeState, code_folder, load_entry
from lakehouse.tracking.comparison import REQUIREMENTS_FILE, Difference, differences
from lakehouse.tracking.environment import installed_requirements
from lakehouse.tracking.evaluation import Judged, scores
from lakehouse.tracking.models import INPUT_TYPES_TAG, ResolvedModel
from lakehouse.tracking.predictors import predictor_of
from lakehouse.tracking.run import PARAMS_FILE
from lakehouse.training import TrainingSet, load_training_set
from lakehouse.versioning import Lakehouse

_TEST, _ENTRY = "test", "lakehouse.entry"


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came out when a model was made again.

    Attributes:
        model: The model's URI as asked.
        run_id: The run that made it.
        training_set: Digest of the training set, recorded and rebuilt.
        parts: Split to its digest, recorded and made again.
        rows: Rows that both models answered for: the test part, or all where there is none.
        different_rows: Rows for which their answers differ in any bit.
        greatest_difference: Between two answers; 0 where all are equal.
        metrics: Standard scores of both models on those rows.
        code: Git commit and state, where they differ now.
        packages: Packages of other versions now.
    """

    model: str
    run_id: str
    training_set: Difference[str]
    parts: Mapping[str, Difference[str]]
    rows: int
    different_rows: int
    greatest_difference: float
    metrics: Mapping[str, Difference[float]]
    code: Mapping[str, Difference[str]]
    packages: Mapping[str, Difference[str]]

    @property
    def equal(self) -> bool:
        """Whether the rows of the training set and of each split, every answer and every score, are the same."""
        pairs: list[Difference[Any]] = [self.training_set, *self.parts.values(), *self.metrics.values()]
        return all(pair.first == pair.second for pair in pairs) and self.different_rows == 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "equal": self.equal}

    def to_json(self) -> str:
        """Return JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def __str__(self) -> str:
        lines = [f"{self.model}: {'reproduced' if self.equal else 'not reproduced'}"]
        for name, pair in {"training set": self.training_set, **self.parts}.items():
            mark = "=" if pair.first == pair.second else "≠"
            lines.append(f"  {name}: {str(pair.first)[:12]} {mark} {str(pair.second)[:12]}")
        lines.append(f"  answers: {self.rows - self.different_rows} of {self.rows} rows equal")
        scores = [f"{name} {pair.second:.4f}" for name, pair in self.metrics.items() if pair.first == pair.second]
        lines += [f"  scores equal: {', '.join(scores)}"] if scores else []
        lines += [f"  {n}: {p.first} ≠ {p.second}" for n, p in self.metrics.items() if p.first != p.second]
        for changed in (self.code, self.packages):
            lines += [f"  changed: {name} {pair.first} → {pair.second}" for name, pair in changed.items()]
        return "\n".join(lines)


def reproduce(backend: Backend, lake: Lakehouse, model: ResolvedModel, load: Callable[[], Any]) -> Reproduction:
    """Make *model* again and compare; see `Tracker.reproduce`. *load* returns the model as it was recorded."""
    run = backend.runs.get(model.run_id)
    entry = load_entry(_entry_of(run, model.uri))
    digest = _recorded(run, "lakehouse.training_set.digest", model.uri)
    kept = load_training_set(lake, _recorded(run, "lakehouse.training_set", model.uri), digest=digest)
    training_set = kept.rebuild()
    try:
        again = _predictor(entry(training_set, _params(backend, run)), lake, f"what {run.tags[_ENTRY]} returned")
        frame, truth = _rows(training_set, backend, model)
        original = _predictor(load(), lake, f"model {model.uri}")
        answers, before = _answers(again, frame), _answers(original, frame)
        return Reproduction(
            model=model.uri,
            run_id=run.run_id,
            training_set=Difference(digest, training_set.digest),
            parts=_parts(run, training_set),
            rows=len(frame),
            different_rows=_different_rows(before, answers),
            greatest_difference=_greatest_difference(before, answers),
            metrics=_metrics(original, again, frame, truth),
            code=_code(run),
            packages=_packages(backend, run),
        )
    finally:
        training_set.release()


def _entry_of(run: RunRecord, uri: str) -> str:
    entry = run.tags.get(_ENTRY)
    if entry is None:
        hint = "Give tracker.run(…, entry='package.module:function') when a model is trained"
        raise TrackingError(f"reproduction of {uri}", f"run {run.run_id} recorded no entry to call again", hint)
    return entry


def _predictor(model: Any, lake: Lakehouse, subject: str) -> Any:
    found = predictor_of(model, lake.spark, subject=subject)
    if not hasattr(found, "predict"):
        raise TrackingError(subject, f"a {type(model).__name__} is no model", "Return the fitted model from the entry")
    return found


def _recorded(run: RunRecord, tag: str, uri: str) -> str:
    if tag not in run.tags:
        hint = "Give tracker.run(…, training_set=…) when a model is trained"
        raise TrackingError(f"reproduction of {uri}", f"run {run.run_id} recorded no training set", hint)
    return run.tags[tag]


def _params(backend: Backend, run: RunRecord) -> dict[str, Any]:
    """Return the parameters with their types; texts on the run have lost them."""
    with TemporaryDirectory() as scratch:
        file = backend.runs.fetch_file(run.run_id, PARAMS_FILE, Path(scratch))
        params: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return params


def _rows(training_set: TrainingSet, backend: Backend, model: ResolvedModel) -> tuple[Any, Any]:
    """Return the model's columns, typed as in its signature, and the labels, of the test part or of all rows."""
    part = training_set.splits.get(_TEST)
    frame = training_set.to_pandas() if part is None else part.to_pandas()
    types = json.loads(backend.models.get(model.model_id).tags[INPUT_TYPES_TAG])
    return frame[list(types)].astype(types), frame[training_set.label].to_numpy()


def _metrics(original: Any, again: Any, frame: Any, truth: Any) -> dict[str, Difference[float]]:
    before, after = scores(Judged.of(original, frame, truth)), scores(Judged.of(again, frame, truth))
    return {name: Difference(before.get(name), after.get(name)) for name in {**before, **after}}


def _answers(model: Any, frame: Any) -> Any:
    import numpy as np

    apply = model.predict_proba if hasattr(model, "predict_proba") else model.predict
    return np.asarray(apply(frame)).reshape(len(frame), -1)


def _different_rows(before: Any, answers: Any) -> int:
    if before.shape != answers.shape:
        return len(before)
    unequal = (before != answers) & ~((before != before) & (answers != answers))  # NaN equals NaN.
    return int(unequal.any(axis=1).sum())


def _greatest_difference(before: Any, answers: Any) -> float:
    import numpy as np

    if before.shape != answers.shape or before.dtype.kind not in "fiu" or not before.size:
        return 0.0 if before.shape == answers.shape and not _different_rows(before, answers) else float("inf")
    return float(np.nan_to_num(np.abs(before - answers), nan=0.0).max())


def _parts(run: RunRecord, training_set: TrainingSet) -> dict[str, Difference[str]]:
    recorded = {found.role: found.tags.get("lakehouse.rows_digest") for found in run.datasets if found.version is None}
    again = {name: part.digest for name, part in training_set.splits.items()}
    return {name: Difference(recorded.get(name), again.get(name)) for name in sorted({*recorded, *again})}


def _code(run: RunRecord) -> dict[str, Difference[str]]:
    names = ("lakehouse.git.commit", "lakehouse.git.dirty")
    now = CodeState.of(code_folder(run.tags.get(_ENTRY))).tags
    one, other = ({name: tags[name] for name in names if name in tags} for tags in (run.tags, now))
    return {name.removeprefix("lakehouse.git."): pair for name, pair in differences(one, other).items()}


def _packages(backend: Backend, run: RunRecord) -> dict[str, Difference[str]]:
    with TemporaryDirectory() as scratch:
        file = backend.runs.fetch_file(run.run_id, REQUIREMENTS_FILE, Path(scratch))
        then = dict(line.split("==", 1) for line in file.read_text(encoding="utf-8").split())
    return differences(then, dict(line.split("==", 1) for line in installed_requirements()))
