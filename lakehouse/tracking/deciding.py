"""Which version serves: registering, judging, promoting, rolling back. The half of a `Tracker` that decides."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lakehouse.errors import TagNotFoundError
from lakehouse.tracking.backend import VersionRecord
from lakehouse.tracking.connected import Connected, current_author
from lakehouse.tracking.decision import Decision
from lakehouse.tracking.gates import MinimumGain, ModelGate, judge
from lakehouse.tracking.places import LakePlaces
from lakehouse.tracking.promotion_rows import Promotion
from lakehouse.tracking.promotions import Order
from lakehouse.tracking.stages import ARCHIVED, CHAMPION, alias_of
from lakehouse.tracking.strays import Stray, find_strays
from lakehouse.tracking.trial import Trial
from lakehouse.tracking.values import check_model_name


class Deciding(Connected):
    """Registers, judges and promotes the versions of registered models."""

    def register(self, model: str, name: str) -> VersionRecord:
        """Register a logged model as the next version of *name*; the table versions that it needs stay readable.

        Args:
            model: ``models:/m-…``, as `Run.log_model` returned it.
            name: The registered model; made if it isn't there.

        Raises:
            TrackingError: There is no such model, or *name* can't be one's.
            RefError: A table version that it was trained on is gone.
        """
        check_model_name(name)
        found = self._resolve(model)
        tag = found.tags.get("lakehouse.training_set.tag")
        if tag is not None:
            inputs = self._backend.runs.get(found.run_id).datasets
            LakePlaces(self._lake).protect(tag, [read.ref for read in inputs if read.version is not None])
        return self._backend.registry.register(name, found.model_id, found.run_id, found.tags)

    def evaluate(
        self,
        candidate: str,
        champion: str | None = None,
        *,
        gates: Sequence[ModelGate] = (),
        file: str | Path | None = None,
    ) -> Decision:
        """Ask gates about a candidate beside the champion, on the test rows of the candidate's training set.

        Nothing is promoted and nothing written but *file*.

        Args:
            candidate: A model URI.
            champion: A model URI; by default the champion of the candidate's registered model, if it has one.
            gates: What is asked; by default whether the candidate is surely no worse, by `MinimumGain`.
            file: Where to write the decision as JSON for CI, ``{"deploy": true, "why": […], …}``.

        Raises:
            TrackingError: There is no such model.
        """
        found = self._resolve(candidate)
        if champion is None and found.name:
            version = self._backend.registry.alias(found.name, CHAMPION)
            champion = None if version is None else f"models:/{found.name}/{version}"
        decision = self._decide(candidate, champion, gates or (MinimumGain(),))
        if file is not None:
            decision.save(file)
        return decision

    def promote(
        self,
        name: str,
        *,
        version: int,
        reason: str,
        to: str = CHAMPION,
        gates: Sequence[ModelGate] = (),
        author: str | None = None,
    ) -> Promotion:
        """Point an alias at a version, if the gates let it pass, and record who, when, why and on what evidence.

        The ledger of the lakehouse decides: of two that promote over the same version exactly one wins.

        Args:
            name: The registered model.
            version: The version to promote.
            reason: Why, in words.
            to: The alias, or one of MLflow's older stages: ``Production`` is the champion, ``Staging`` the challenger,
                ``Archived`` is `archive`.
            gates: What is asked before, beside the version that the alias points at; a refusal is recorded too.
            author: Who; the user of the process by default.

        Returns:
            The ledger's row.

        Raises:
            TrackingError: There is no such version, the alias points at it already, or no reason is given.
            PromotionRefusedError: A gate refuses; the ledger has the evidence.
            ConcurrentWriteError: Another promoter was first; nothing was changed.
        """
        if to == ARCHIVED:
            return self.archive(name, version=version, reason=reason, author=author)
        order = Order(name, alias_of(to), reason, author or current_author())
        if not gates:
            return self._promotions.promote(order, version)

        def ask(serving: int | None) -> Decision:
            champion = None if serving is None else f"models:/{name}/{serving}"
            return self._decide(f"models:/{name}/{version}", champion, gates)

        return self._promotions.promote(order, version, judge=ask)

    def rollback(self, name: str, *, reason: str, alias: str = CHAMPION, author: str | None = None) -> Promotion:
        """Point an alias back at the version that had it before, and record it; archived versions are passed over.

        Raises:
            TrackingError: There is none before.
            ConcurrentWriteError: Another promoter was first; nothing was changed.
        """
        return self._promotions.rollback(Order(name, alias_of(alias), reason, author or current_author()))

    def archive(self, name: str, *, version: int, reason: str, author: str | None = None) -> Promotion:
        """Take a version out of use: aliases other than the champion leave it, and no rollback returns to it.

        Its files and its record stay, and it can be promoted again.

        Raises:
            TrackingError: There is no such version, or it is the champion.
            ConcurrentWriteError: Somebody moved one of its aliases at the same time.
        """
        return self._promotions.archive(Order(name, CHAMPION, reason, author or current_author()), version)

    def delete(self, name: str, *, version: int, reason: str, author: str | None = None) -> Promotion:
        """Delete a version of a registered model, and release the table versions that only it needed.

        It is archived first, so that the ledger says who and why. The tag of its training set is deleted when no other
        registered version was trained on that set: `Lakehouse.gc` may then take what it held, and the training set
        can't be rebuilt afterwards. The run, the logged model and its files stay in the backend.

        Raises:
            TrackingError: There is no such version, or it is the champion.
        """
        found = self._backend.registry.get(name, version)
        row = self.archive(name, version=version, reason=f"deleted: {reason}", author=author)
        self._backend.registry.delete(name, version)
        digest, tag = (found.tags.get(f"lakehouse.training_set.{what}") for what in ("digest", "tag"))
        if digest and tag and not self._backend.registry.versions_tagged("lakehouse.training_set.digest", digest):
            with suppress(TagNotFoundError):
                self._lake.untag(tag, message=f"{name} version {version} was deleted: {reason}")
        return row

    def history(self, name: str, *, alias: str | None = None) -> list[Promotion]:
        """Return the ledger's rows of a registered model, oldest first: promotions, rollbacks, archives, refusals."""
        return self._promotions.history(name, None if alias is None else alias_of(alias))

    def doctor(self, *, repair: bool = False) -> list[Stray]:
        """Return aliases that aren't where the ledger has them, and with *repair* put them there.

        Such an alias was moved by hand, or its promoter died between ledger and alias, or its version was deleted,
        which MLflow does together with the alias and silently. `lake.doctor` says the same.
        """
        return find_strays(self._promotions, self._backend.registry, repair=repair)

    def models(self, name: str | None = None) -> list[VersionRecord]:
        """Return the versions of a registered model, or of all, with their aliases: by name, oldest first."""
        registry = self._backend.registry
        names = registry.names() if name is None else [name]
        return [version for found in names for version in registry.versions(found)]

    def _decide(self, candidate: str, champion: str | None, gates: Sequence[ModelGate]) -> Decision:
        rival = None if champion is None else self._contender(champion)
        trial = Trial(self._lake, self._contender(candidate), rival, self._training_set_of)
        verdicts = judge(trial, gates)
        return Decision(candidate, champion, trial.looked_at, verdicts)
