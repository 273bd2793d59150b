"""Parameters and tags as backends keep them: text, of bounded length, without secrets. Standard library only."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import PurePath

from lakehouse.errors import TrackingError
from lakehouse.tracking.redaction import redact_text, redact_values

_MAX_PARAM_CHARACTERS = 6000
_MAX_TAG_CHARACTERS = 8000


OWN_PREFIX = "lakehouse."


def check_tags(tags: Mapping[str, object], *, required: Sequence[str] = ()) -> None:
    """Check that a caller's tags leave ours alone, lineage is searched by them, and that those required are there.

    Raises:
        TrackingError: A name begins with ``lakehouse.``, or a required tag is missing or empty.
    """
    missing = [name for name in required if not str(tags.get(name, "")).strip()]
    if missing:
        hint = f"Give tags={{{', '.join(f'{name!r}: …' for name in missing)}}}; the settings require them of every run"
        raise TrackingError("tags", f"{', '.join(missing)} missing", hint)
    taken = sorted(name for name in tags if name.startswith(OWN_PREFIX))
    if taken:
        raise TrackingError(f"tags {', '.join(taken)}", f"names with {OWN_PREFIX} are kept for lineage", "Rename them")


def check_model_name(name: str) -> None:
    """Check that a registered model can be called so, and be found by ``models:/name@alias``.

    Raises:
        TrackingError: It can't.
    """
    if not isinstance(name, str) or not name.strip() or any(mark in name for mark in "/:@"):
        hint = "Give it a name without '/', ':' and '@', such as flight_delay"
        raise TrackingError(f"registered model {name!r}", "it can't be called so", hint)


def flat_params(params: Mapping[str, object]) -> dict[str, object]:
    """Return nested mappings as dotted names: ``{"model": {"depth": 3}}`` is ``{"model.depth": 3}``."""
    flat: dict[str, object] = {}
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            flat |= {f"{name}.{inner}": deep for inner, deep in flat_params(value).items()}
        else:
            flat[str(name)] = value
    return flat


def param_texts(params: Mapping[str, object]) -> dict[str, str]:
    """Return parameters as text, redacted; one that is too long ends with its real length."""
    return _texts(params, _MAX_PARAM_CHARACTERS)


def tag_texts(tags: Mapping[str, object]) -> dict[str, str]:
    """Return tags as text, redacted; one that is too long ends with its real length."""
    return _texts(tags, _MAX_TAG_CHARACTERS)


def json_text(content: object) -> str:
    """Return plain values as JSON, redacted, indented, keys as they come; what JSON doesn't know as its text."""
    plain = redact_values({"": content})[""]
    return json.dumps(plain, indent=2, default=_plain, ensure_ascii=False) + "\n"


def _texts(values: Mapping[str, object], limit: int) -> dict[str, str]:
    # Cut here, because MLflow prints the whole value to the log before it cuts it.
    texts = {name: redact_text(_text(value)) for name, value in redact_values(values).items()}
    return {name: text if len(text) <= limit else _cut(text, limit) for name, text in texts.items()}


def _text(value: object) -> str:
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    return str(value)


def _cut(text: str, limit: int) -> str:
    note = f"… [{len(text)} characters]"
    return text[: limit - len(note)] + note


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return value.item()  # a NumPy scalar
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    return str(value)
