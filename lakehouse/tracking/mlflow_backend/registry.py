"""Registered models in MLflow."""

import json
from collections.abc import Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode

from lakehouse.tracking.backend import VersionRecord
from lakehouse.tracking.mlflow_backend.quiet import border
from lakehouse.tracking.mlflow_backend.runs import own_tags_removed, to_moment

_LINKED_VERSIONS = "mlflow.modelVersions"
_LOGGED = "models:/"
_MODEL_ID = "lakehouse.model_id"
_RUNS_A_QUERY = 100


class MlflowRegistry:
    """Registered models, their versions and aliases.

    Args:
        client: A client of the store.
        by_server: Whether a server stands between the client and the store.
    """

    def __init__(self, client: MlflowClient, *, by_server: bool) -> None:
        self._client, self._by_server = client, by_server

    def register(self, name: str, model_id: str, run_id: str, tags: Mapping[str, str]) -> VersionRecord:
        """Register a logged model as the next version of *name*, which is made if it isn't there."""
        with border(f"registered model {name!r}"):
            self._ensure(name)
            made = self._client.create_model_version(
                name, self._source(model_id), run_id=run_id, tags={**tags, _MODEL_ID: model_id}, model_id=model_id
            )
            # The list of versions on the model's page comes from this tag.
            linked = json.loads(self._client.get_logged_model(model_id).tags.get(_LINKED_VERSIONS, "[]"))
            linked.append({"name": name, "version": int(made.version)})
            self._client.set_logged_model_tags(model_id, {_LINKED_VERSIONS: json.dumps(linked)})
        return self.get(name, int(made.version))

    def get(self, name: str, version: int) -> VersionRecord:
        """Return a version."""
        with border(f"model {name} version {version}", "tracker.models() lists what is registered"):
            found = self._client.get_model_version(name, str(version))
            return _to_record(found, self._aliases(name))

    def versions(self, name: str) -> list[VersionRecord]:
        """Return the versions of a registered model, oldest first."""
        with border(f"registered model {name!r}"):
            aliases = self._aliases(name)
            quoted = name.replace("'", "\\'")
            return self._search(f"name = '{quoted}'", {name: aliases})

    def versions_of_runs(self, run_ids: Sequence[str]) -> list[VersionRecord]:
        """Return the versions that these runs made."""
        found: list[VersionRecord] = []
        aliases: dict[str, dict[str, int]] = {}
        with border("registered models"):
            for start in range(0, len(run_ids), _RUNS_A_QUERY):
                listed = ",".join(f"'{run_id}'" for run_id in run_ids[start : start + _RUNS_A_QUERY])
                found += self._search(f"run_id IN ({listed})", aliases)
        return sorted(found, key=lambda version: (version.name, version.version))

    def versions_tagged(self, tag: str, value: str) -> list[VersionRecord]:
        """Return the versions of all models whose tag has that value, by name and version."""
        with border("registered models"):
            quoted = value.replace("'", "\\'")
            found = self._search(f"tags.`{tag}` = '{quoted}'", {})
        return sorted(found, key=lambda version: (version.name, version.version))

    def delete(self, name: str, version: int) -> None:
        """Delete a version; the logged model and its files stay."""
        with border(f"model {name} version {version}"):
            self._client.delete_model_version(name, str(version))

    def names(self) -> list[str]:
        """Return the names of all registered models."""
        names: list[str] = []
        token: str | None = None
        with border("registered models"):
            while True:
                page = self._client.search_registered_models(page_token=token)
                names += [model.name for model in page]
                token = page.token
                if not token:
                    return sorted(names)

    def alias(self, name: str, alias: str) -> int | None:
        """Return the version that an alias points at, None where there is no such alias."""
        with border(f"registered model {name!r}"):
            return self._aliases(name).get(alias)

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version."""
        with border(f"alias {alias!r} of {name!r}"):
            self._client.set_registered_model_alias(name, alias, str(version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias."""
        with border(f"alias {alias!r} of {name!r}"):
            self._client.delete_registered_model_alias(name, alias)

    def _source(self, model_id: str) -> str:
        """Return what MLflow is told about where the model's files are.

        A SQL store looks up ``models:/m-…`` at the tracking URI of the process, not at its own, so it gets the place
        itself; a server looks in its own store, and refuses places outside it.
        """
        if self._by_server:
            return f"{_LOGGED}{model_id}"
        return str(self._client.get_logged_model(model_id).artifact_location)

    def _ensure(self, name: str) -> None:
        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise

    def _search(self, where: str, aliases: dict[str, dict[str, int]]) -> list[VersionRecord]:
        """Return versions, oldest first; *aliases* of models met on the way are added: a search returns none."""
        found: list[ModelVersion] = []
        token: str | None = None
        while True:
            page = self._client.search_model_versions(where, page_token=token)
            found += page
            token = page.token
            if not token:
                break
        for name in {version.name for version in found} - set(aliases):
            aliases[name] = self._aliases(name)
        return sorted((_to_record(version, aliases[version.name]) for version in found), key=lambda v: v.version)

    def _aliases(self, name: str) -> dict[str, int]:
        try:
            return {alias: int(version) for alias, version in self._client.get_registered_model(name).aliases.items()}
        except MlflowException as error:
            if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                return {}
            raise


def _to_record(version: ModelVersion, aliases: Mapping[str, int]) -> VersionRecord:
    number = int(version.version)
    logged = (version.source or "").removeprefix(_LOGGED)
    return VersionRecord(
        name=version.name,
        version=number,
        run_id=version.run_id or "",
        model_id=version.tags.get(_MODEL_ID, logged if logged.startswith("m-") else ""),
        created=to_moment(version.creation_timestamp),
        tags=own_tags_removed(version.tags),
        aliases=sorted(alias for alias, target in aliases.items() if target == number),
    )
