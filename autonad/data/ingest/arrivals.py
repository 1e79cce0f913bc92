"""What a batch has brought so far, by what it shows: an image with two masks is found at the second."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from autonad.data.ingest.digest import Digest
from autonad.data.ingest.ledger import Batch
from autonad.data.ingest.rows import Row

_COUNTS = ("images", "labelled", "upgraded", "relabelled", "copies", "defect_free")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One image of the batch, and what was made of it.

    Attributes:
        digest: The image with its mask.
        image: Its place in the dataset, or that of the image that it is a copy of.
        counted: The batch's counts that it raised by one.
    """

    digest: Digest
    image: str
    counted: tuple[str, ...]

    def uncounted(self, batch: Batch) -> Batch:
        """The batch without what this image counted."""
        return replace(batch, **{name: getattr(batch, name) - 1 for name in self.counted})


@dataclass
class Arrivals:
    """The images of a batch, by the pixels that they show.

    Attributes:
        waiting: Rows of the dataset that got their mask from this batch, as they were before.
        disputed: One image for each content that came with two different masks, and is used no more.
    """

    waiting: dict[str, Row] = field(default_factory=dict)
    disputed: dict[str, Digest] = field(default_factory=dict)
    _by_content: dict[str, list[Arrival]] = field(default_factory=dict)
    _counted: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)

    def note(self, digest: Digest, image: str, before: Batch, after: Batch) -> None:
        """Remember an image, and which counts it has raised."""
        assert digest.fingerprint is not None
        counted = tuple(name for name in _COUNTS if getattr(after, name) != getattr(before, name))
        arrival = Arrival(digest, image, self._counted.setdefault(counted, counted))
        content = digest.fingerprint.content
        if content in self._by_content:
            self._by_content[content].append(arrival)
        else:
            self._by_content[content] = [arrival]

    def of(self, content: str) -> list[Arrival]:
        """The images that show this."""
        return self._by_content.get(content, [])

    def rival(self, digest: Digest) -> Digest | None:
        """An earlier image of the batch that shows the same and has another mask, if there is one."""
        assert digest.fingerprint is not None
        content, labels = digest.fingerprint.content, digest.fingerprint.labels
        if content in self.disputed:
            return self.disputed[content]
        for arrival in self.of(content) if labels else ():
            assert arrival.digest.fingerprint is not None
            # All that have a mask have the same: the first other one ended in a dispute.
            if arrival.digest.fingerprint.labels:
                return None if arrival.digest.fingerprint.labels == labels else arrival.digest
        return None
