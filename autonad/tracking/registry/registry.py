"""Which version of a detector is in use, and which was before.

A registered model has two aliases: `champion`, the version in use, and `previous`, the one before it. Which
version got the alias last is kept in a tag, so that an alias that somebody moved or removed is noticed.
"""

from __future__ import annotations

from autonad.errors import TrackingError
from autonad.tracking.connection import all_pages
from autonad.tracking.registry.model_versions import ModelVersions, Version
from autonad.tracking.tags import CHAMPION, DECISION, LAST_CHAMPION, MODEL_NAME, PREVIOUS, REFUSED


class Registry(ModelVersions):
    """The registry of a server or store: versions of detectors, and the aliases that put one in use.

    Args:
        settings: Which one.

    Raises:
        TrackingError: It cannot be used.
    """

    def champion(self, name: str) -> Version | None:
        """The version in use; None if the model is new or no version of it was ever good enough.

        Raises:
            TrackingError: The model was renamed, or its alias was removed, by hand.
        """
        champion = self.alias(name, CHAMPION)
        if champion is not None:
            return champion
        versions = self.versions(name)
        once = [version for version in versions if version.decision == CHAMPION]
        if once:
            raise TrackingError(
                f"no version of {name} has the alias {CHAMPION}, which {once[-1]} had: somebody took it "
                "away; give "
                f"it back with `autonad rollback --name {name} --to {once[-1].number}`, then register again"
            )
        if not versions:
            self._check_renamed(name)
        return None

    def decide(self, version: Version, *, promote: bool, description: str, rival: Version | None) -> bool:
        """Record what was decided about a version, and give it the alias if it won.

        The old champion becomes `previous` first: a crash in between leaves it in use.

        Args:
            version: Which one.
            promote: Whether it won.
            description: Why.
            rival: The champion that it won against; None if there was none.

        Returns:
            Whether that counts; not if another version got the alias meanwhile, and nothing is recorded then.
        """
        with self._failures():
            client, number = self._client, str(version.number)
            old = self.alias(version.name, CHAMPION) if promote else None
            if promote and _number(old) not in (_number(rival), version.number):
                return False
            client.update_model_version(version.name, number, description)
            if promote:
                if old is not None and old.number != version.number:
                    client.set_registered_model_alias(version.name, PREVIOUS, str(old.number))
                client.set_registered_model_alias(version.name, CHAMPION, number)
                client.set_registered_model_tag(version.name, LAST_CHAMPION, number)
            client.set_model_version_tag(version.name, number, DECISION, CHAMPION if promote else REFUSED)
        return True

    def moved_by_hand(self, champion: Version) -> int | None:
        """The version that was given the alias last, if it is another one than the one that has it."""
        with self._failures():
            tag = self._client.get_registered_model(champion.name).tags.get(LAST_CHAMPION)
        return int(tag) if tag is not None and int(tag) != champion.number else None

    def rollback(self, name: str, to: int | None = None) -> tuple[Version, Version | None]:
        """Give the alias back to the previous champion, or to a version of one's choice.

        Args:
            name: The registered model.
            to: A version; None takes the one with the alias `previous`.

        Returns:
            The new champion, and the one before.

        Raises:
            TrackingError: There is no such model, version or previous champion, or another one is put in use
                at the same moment.
        """
        versions = {version.number: version for version in self.versions(name)}
        if not versions:
            self._check_renamed(name)
            raise TrackingError(
                f"there is no registered model {name!r}; known are {', '.join(self.models()) or 'none'}"
            )
        old, previous = self.alias(name, CHAMPION), self.alias(name, PREVIOUS)
        if to is None and previous is None:
            raise TrackingError(
                f"{name} has no version with the alias {PREVIOUS}, so there is nothing to go back to; name "
                f"one with --to (it has {', '.join(map(str, versions))})"
            )
        chosen = versions.get(previous.number if to is None and previous else to or 0)
        if chosen is None:
            raise TrackingError(f"{name} has no version {to}; it has {', '.join(map(str, versions))}")
        with self._failures():
            note = self._client.get_model_version(name, str(chosen.number)).description or ""
            line = f"Put back in use by a rollback{f' from version {old.number}' if old else ''}."
        if not self.decide(chosen, promote=True, description=f"{note}\n\n{line}".strip(), rival=old):
            raise TrackingError(f"another version of {name} was put in use just now; look at it, then repeat")
        return chosen, old if old is not None and old.number != chosen.number else None

    def models(self) -> list[str]:
        """Names of all registered models of ours."""
        with self._failures():
            found = all_pages(self._client.search_registered_models)
        return sorted(model.name for model in found if MODEL_NAME in model.tags)

    def _check_renamed(self, name: str) -> None:
        with self._failures():
            renamed = [
                model.name
                for model in all_pages(self._client.search_registered_models)
                if model.tags.get(MODEL_NAME) == name and model.name != name
            ]
        if renamed:
            raise TrackingError(
                f"the registered model {name} was renamed to {renamed[0]}, so its champion is not found; "
                "rename "
                "it back in MLflow, then repeat the command"
            )


def _number(version: Version | None) -> int | None:
    return None if version is None else version.number
