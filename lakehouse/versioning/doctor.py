"""The doctor: runs all probes and returns what they found. Start at :func:`examine`."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timezone

from lakehouse.errors import LakehouseError
from lakehouse.tables.border import border
from lakehouse.tables.context import LakeContext
from lakehouse.versioning.findings import Diagnosis, Finding
from lakehouse.versioning.hooks import Hooks
from lakehouse.versioning.probes import PROBES, Patient
from lakehouse.versioning.tags import Tags


def examine(lake: LakeContext, hooks: Hooks, *, deep: bool) -> Diagnosis:
    """Return what is unsafe; see :meth:`lakehouse.versioning.Lakehouse.doctor`."""
    with border(str(lake.catalog), "list"):
        names = lake.catalog.names()
    patient = Patient(lake, _now(), deep, names, Tags(lake).all())
    found: list[Finding] = []
    for name, probe in PROBES.items():
        # One after the other by hand: a probe is a generator, and runs while it is listed.
        found += _run(name, lambda probe=probe: probe(patient))  # type: ignore[misc]
    for name, added in hooks.probes.items():
        found += _run(name, added)
    return Diagnosis(found)


def _run(name: str, probe: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a probe found; that it can't look is a finding, so that one failure doesn't hide the others."""
    try:
        return [found if found.probe else replace(found, probe=name) for found in probe()]
    except LakehouseError as error:
        return [Finding("error", name, f"this can't be looked at: {error}", probe=name)]


def _now() -> datetime:
    return datetime.now(timezone.utc)
