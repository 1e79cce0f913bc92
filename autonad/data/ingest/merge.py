"""What becomes of each new image: a row, a mask for a row that waits for one, a copy, or quarantine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from autonad.data.dataset import UNLABELLED, Dataset
from autonad.data.faults import Fault
from autonad.data.fingerprints import Fingerprint
from autonad.data.ingest.arrivals import Arrival, Arrivals
from autonad.data.ingest.deliveries import Deliveries
from autonad.data.ingest.digest import Digest
from autonad.data.ingest.findings import rejection
from autonad.data.ingest.ledger import CONFLICT, COPY, DEFECT_FREE, FAULTY, IMAGE, MASK, Batch
from autonad.data.ingest.quarantine import QUARANTINE, Quarantine
from autonad.data.ingest.rows import Row, rows_of
from autonad.data.ingest.settings import Rules
from autonad.data.writer import unique_name
from autonad.storage.source import Entry

NOT_READ = "not-read"  # kind of the fault of a file that did not arrive


@dataclass
class Merge:
    """New images on their way into a dataset, which may be empty.

    Attributes:
        dataset: As it is.
        fingerprints: Of each image of it, by path; those of the new ones are added.
        classes: Classes afterwards.
        rules: How to decide.
        deliveries: What the new files were before, and what became of them.
        batch: The batch; its counts grow.
        faults: What was found.
        rows: Rows of the manifest, old and new, by image; new ones have no group and no split yet.
        new: New images, in the order in which they were taken.
        added: Files to add: place in the dataset → where they wait.
        retired: Masks that were replaced: place in the dataset → place in quarantine.
        defect_free: Items whose mask shows no defect, used or left out.
    """

    dataset: Dataset
    fingerprints: dict[str, Fingerprint]
    classes: tuple[str, ...]
    rules: Rules
    deliveries: Deliveries
    batch: Batch
    faults: list[Fault] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    new: dict[str, Digest] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)
    retired: dict[str, str] = field(default_factory=dict)
    defect_free: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Index the rows by path and by content, and the names that are taken."""
        self.rows = rows_of(self.dataset.manifest, len(self.classes))
        self._by_content: dict[str, str] = {}
        for image in sorted(self.rows):
            self._by_content.setdefault(self.fingerprints[image].content, image)
        self._images, self._masks = self._names("images"), self._names("masks")
        self._arrivals = Arrivals()
        self.quarantine = Quarantine(self.rules.prefix, self._names(QUARANTINE))

    def take(self, digest: Digest) -> None:
        """Decide about one image."""
        self.faults += digest.faults
        fault = rejection(digest)
        if fault is not None:
            self.faults += [fault] if fault not in digest.faults else []
            self._reject(digest, FAULTY, fault.message)
            return
        assert digest.fingerprint is not None
        if digest.empty:
            self.defect_free.append(digest.item)
        rival = self._arrivals.rival(digest) if self.rules.conflict == "error" else None
        if rival is not None:
            self._dispute(digest, rival)
            return
        before, twin = self.batch, self._by_content.get(digest.fingerprint.content)
        if twin is None or self.rules.keep_copies:
            image = self._newcomer(digest, digest.fingerprint)
        else:
            image = self._twin(digest, twin, digest.fingerprint)
        if image:
            self._arrivals.note(digest, image, before, self.batch)

    def refuse(self, entry: Entry, fault: Fault, path: Path | None) -> None:
        """Keep a file apart that is of no use."""
        self.faults.append(fault)
        self._count("quarantined")
        self._keep_apart(path, fault.item, fault.message)
        self.deliveries.remember_file(entry, FAULTY)

    def _newcomer(self, digest: Digest, fingerprint: Fingerprint) -> str:
        """Add an image; its place in the dataset, "" if it is left out."""
        if digest.empty and not self.rules.include_defect_free:
            self._count("defect_free")
            self.deliveries.remember(digest.record, DEFECT_FREE, DEFECT_FREE, "")
            return ""
        image = f"images/{self._name(digest)}{Path(digest.image).suffix.lower()}"
        self.added[image] = digest.image
        self.rows[image] = Row(
            image,
            mask="",
            group="",
            batch=self.batch.name,
            split="",
            sha256=digest.sha256,
            mask_sha256="",
            height=digest.size[0],
            width=digest.size[1],
            pixels=(0,) * len(self.classes),
        )
        self.new[image] = digest
        self.fingerprints[image] = fingerprint
        self._by_content.setdefault(fingerprint.content, image)
        self._count("images")
        if digest.mask is not None:
            self._label(digest, image)
            self._count("labelled")
        self.deliveries.remember(digest.record, IMAGE, MASK, image)
        return image

    def _twin(self, digest: Digest, image: str, fingerprint: Fingerprint) -> str:
        """An image that the dataset, or an earlier file, holds already; "" if it is kept apart."""
        record = digest.record
        own = self.deliveries.owns(record, image)
        outcome = IMAGE if own else COPY
        row, labels = self.rows[image], self.fingerprints[image].labels
        if digest.mask is None or labels == fingerprint.labels:
            if not own:
                self._count("copies")
            self.deliveries.remember(record, outcome, MASK if own else COPY, image)
        elif not row.mask:
            if digest.empty and not self.rules.include_defect_free:
                self._count("defect_free")
                self.deliveries.remember(record, DEFECT_FREE, DEFECT_FREE, image)
                return image
            if image not in self.new:
                self._arrivals.waiting.setdefault(image, replace(row))
            self._label(digest, image)
            self._count("labelled" if image in self.new else "upgraded")
            self.deliveries.remember(record, outcome, MASK, image)
        elif own:
            self._relabel(digest, image)
        else:
            message = (
                f"it is the same image as {image} and has another mask; that one stays. If the new mask is "
                "the right one, replace the mask where the image came from first, and ingest that again"
            )
            self.faults.append(Fault(self.rules.conflict, "label-conflict", digest.item, message))
            self._reject(digest, CONFLICT, message)
            return ""
        return image

    def _dispute(self, digest: Digest, rival: Digest) -> None:
        """Keep all apart that is new about an image which comes with two different masks."""
        assert digest.fingerprint is not None
        content = digest.fingerprint.content
        undone = [
            arrival
            for arrival in self._arrivals.of(content)
            if arrival.image in self.new or arrival.image in self._arrivals.waiting
        ]
        for arrival in undone:
            self._take_back(arrival, content)
            self._refuse_disputed(arrival.digest, digest)
        self._refuse_disputed(digest, rival)
        if undone:
            self._arrivals.disputed.setdefault(content, digest)

    def _take_back(self, arrival: Arrival, content: str) -> None:
        image = arrival.image
        self.batch = arrival.uncounted(self.batch)
        mask = self.rows[image].mask if image in self.rows else ""
        self.added.pop(mask, None)
        if image in self._arrivals.waiting:
            self.rows[image] = self._arrivals.waiting.pop(image)
            self.fingerprints[image] = replace(self.fingerprints[image], labels="")
        elif image in self.new:
            for index in (self.new, self.rows, self.fingerprints, self.added):
                index.pop(image)
            self._by_content.pop(content, None)

    def _refuse_disputed(self, digest: Digest, rival: Digest) -> None:
        message = (
            f"it is the same image as {rival.item} and has another mask; neither is used until you decide: "
            "delete the wrong one at the source, or give both the right mask, then repeat the command"
        )
        self.faults.append(Fault(self.rules.conflict, "label-conflict", digest.item, message))
        self._reject(digest, CONFLICT, message, self.deliveries.key(rival.record))

    def _relabel(self, digest: Digest, image: str) -> None:
        """Replace a mask that changed at its source."""
        row = self.rows[image]
        old = row.mask
        reason = f"mask of {image} until batch {self.batch.name}; it changed at its source"
        self.retired[old] = self.quarantine.retire(old, reason)
        message = (
            f"its mask changed at its source: {image} (split {row.split}) has the new one now, and the "
            f"old one is {self.retired[old]}"
        )
        self.faults.append(Fault("warning", "relabelled", digest.item, message))
        self._label(digest, image)
        self._count("relabelled")
        self.deliveries.remember(digest.record, IMAGE, MASK, image)

    def _label(self, digest: Digest, image: str) -> None:
        """Give a row the mask of a digest, as a new file."""
        assert digest.mask is not None
        assert digest.fingerprint is not None
        mask = f"masks/{unique_name(Path(image).stem, self._masks)}.png"
        self.added[mask] = digest.mask
        row = self.rows[image]
        row.mask, row.mask_sha256, row.pixels = mask, digest.mask_sha256, digest.pixels
        if row.split == UNLABELLED:
            row.split = ""
        if self.fingerprints[image].labels != digest.fingerprint.labels:
            self.fingerprints[image] = replace(self.fingerprints[image], labels=digest.fingerprint.labels)

    def _reject(self, digest: Digest, outcome: str, reason: str, because: str = "") -> None:
        if any(fault.kind == NOT_READ for fault in digest.faults):
            return  # the next ingest tries again
        self._count("quarantined")
        self._keep_apart(digest.record.image, digest.item, reason)
        for path, _ in digest.record.masks if self.rules.quarantine_masks else ():
            self._keep_apart(path, self.deliveries.entries[path].key, f"the mask of {digest.item}")
        self.deliveries.remember(digest.record, outcome, outcome, because)

    def _keep_apart(self, path: Path | None, item: str, reason: str) -> None:
        # A link among the waiting files is an image that the dataset holds.
        is_held = path is not None and path in self.deliveries.entries and path.is_symlink()
        self.quarantine.keep(None if is_held else path, item, reason)

    def _name(self, digest: Digest) -> str:
        """A free file name without suffix: the image's own, if that is its alone."""
        name = digest.record.image.stem
        if name.casefold() in self.rules.shared_stems:
            name = digest.record.name
        elif self.rules.prefix and name.casefold() in self._images:
            name = f"{self.rules.prefix}-{digest.record.name}"
        return unique_name(name, self._images)

    def _names(self, folder: str) -> set[str]:
        return {path.stem.casefold() for path in (self.dataset.root / folder).glob("*")}

    def _count(self, name: str) -> None:
        self.batch = replace(self.batch, **{name: getattr(self.batch, name) + 1})
