"""The copies of checkpoints that steps left at a location: whose they are, how old, and their end."""

from __future__ import annotations

import re
from dataclasses import dataclass

from autonad.reading.bounds import parse_json
from autonad.reading.shape_checks import Shape, check_shape
from autonad.storage.checkpoints import OWNER
from autonad.storage.places import Stamp, place_at

# Verb and digest, as `Mirror` names them; nothing else at the location is ever touched.
NAME = re.compile(r"(?P<stage>[a-z][a-z-]*)-[0-9a-f]{16}")


@dataclass(frozen=True)
class CheckpointCopy:
    """A copy.

    Attributes:
        name: Its folder at the location.
        stage: The step's verb.
        owner: Run of the step in MLflow, or the execution of one that logged nowhere; None if it had neither.
        written: When it was written last, seconds since 1970.
        num_bytes: Its size.
    """

    name: str
    stage: str
    owner: str | None
    written: float
    num_bytes: int


class CheckpointCopies:
    """The copies at a location.

    Args:
        location: "s3://bucket/prefix", or a folder on a volume; as the steps were given it.

    Raises:
        StorageError: It is no such address.
    """

    def __init__(self, location: str) -> None:
        self._location = location.rstrip("/")

    def all(self) -> list[CheckpointCopy]:
        """What there is, the oldest first.

        Raises:
            StorageError: The location cannot be used.
        """
        found: dict[str, list[Stamp]] = {}
        for path, stamp in place_at(self._location).stamps().items():
            name, _, inside = path.partition("/")
            if inside and NAME.fullmatch(name):
                found.setdefault(name, []).append(stamp)
        copies = [
            CheckpointCopy(
                name,
                _stage(name),
                self._owner(name),
                max(stamp.written for stamp in stamps),
                sum(stamp.num_bytes for stamp in stamps),
            )
            for name, stamps in found.items()
        ]
        return sorted(copies, key=lambda copy: (copy.written, copy.name))

    def remove(self, copy: CheckpointCopy) -> None:
        """Drop a copy.

        Raises:
            StorageError: The location refuses.
        """
        place = place_at(f"{self._location}/{copy.name}")
        # Whose it is goes last: a removal that was interrupted is found again.
        place.remove([name for name in place.names() if name != OWNER])
        place.remove([OWNER])

    def _owner(self, name: str) -> str | None:
        try:
            text = place_at(f"{self._location}/{name}").read(OWNER)
            run = check_shape(parse_json(text or "{}"), Shape).get("run")
        except ValueError:  # also one that is no text
            return None
        return run if isinstance(run, str) else None


def _stage(name: str) -> str:
    match = NAME.fullmatch(name)
    assert match is not None
    return match["stage"]
