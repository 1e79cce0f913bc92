"""What a batch that was read changes in a dataset: rows, masks, groups, splits, quarantine, ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from autonad.data.dataset import COLUMNS, UNLABELLED, Dataset
from autonad.data.faults import Fault
from autonad.data.fingerprints import FINGERPRINTS, Fingerprint, at_half_precision, fingerprint_table
from autonad.data.ingest.arrival import NOT_READ, Plan
from autonad.data.ingest.commit import QUARANTINE, Changes
from autonad.data.ingest.digest import Digest
from autonad.data.ingest.ledger import (
    CONFLICT,
    COPY,
    DEFECT_FREE,
    FAULTY,
    IMAGE,
    INGESTED,
    MASK,
    Batch,
    Known,
    Ledger,
)
from autonad.data.ingest.newcomers import Member, Newcomer, place
from autonad.data.split import extend_split
from autonad.data.writer import unique_name
from autonad.storage.source import Entry


@dataclass
class Merge:
    """A batch on its way into a dataset.

    Attributes:
        dataset: As it is.
        fingerprints: Of each image of it, by path; those of the batch are added.
        ledger: The objects that it knows.
        todo: What was planned.
        classes: Classes after the batch.
        batch: The batch; its counts grow.
        include_defect_free: Images without defects are kept.
    """

    dataset: Dataset
    fingerprints: dict[str, Fingerprint]
    ledger: Ledger
    todo: Plan
    classes: tuple[str, ...]
    batch: Batch
    include_defect_free: bool
    faults: list[Fault] = field(default_factory=list)
    known: list[Known] = field(default_factory=list)
    added: dict[str, Path] = field(default_factory=dict)
    retired: dict[str, str] = field(default_factory=dict)
    reasons: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Index the rows by path and by content, and the names that are taken."""
        padding = (0,) * (len(self.classes) - self.dataset.num_classes)
        rows: list[Any] = self.dataset.manifest[list(COLUMNS)].to_dict(orient="records")
        self.rows: dict[str, dict[str, Any]] = {
            row["image"]: {**row, "pixels": [*(int(n) for n in row["pixels"]), *padding]} for row in rows
        }
        self.by_content: dict[str, str] = {}
        for image in sorted(self.rows):
            self.by_content.setdefault(self.fingerprints[image].content, image)
        self.new: dict[str, Digest] = {}  # by image, in the order of the items
        self.taken = {
            name: {path.stem.casefold() for path in (self.dataset.root / name).glob("*")}
            for name in ("images", "masks", QUARANTINE)
        }

    def take(self, digest: Digest) -> None:
        """Decide about one image of the batch."""
        self.faults += digest.faults
        error = digest.error
        if error is not None:
            self._reject(digest, FAULTY, error.message)
        elif digest.empty and digest.record.label is not None:
            message = f"it is labelled {digest.record.label}, but its mask is empty; it is left out"
            self.faults.append(Fault("warning", "empty-mask", digest.item, message))
            self._reject(digest, FAULTY, message)
        else:
            assert digest.fingerprint is not None
            twin = self.by_content.get(digest.fingerprint.content)
            if twin is None:
                self._newcomer(digest)
            else:
                self._twin(digest, twin, digest.fingerprint)

    def refuse(self, entry: Entry, fault: Fault, path: Path | None) -> None:
        """Keep a file apart that is of no use."""
        self.faults.append(fault)
        self._count("quarantined")
        self._quarantine(path, fault.item, fault.message)
        self.known.append(Known(entry.identity, entry.etag, self.batch.name, FAULTY, ""))

    def finish(self, fractions: Sequence[float], seed: int) -> Changes:
        """Groups and splits of everything new, and all changes together."""
        self._place()
        table = pd.DataFrame(list(self.rows.values()), columns=list(COLUMNS))
        table = table.sort_values("image", kind="stable").reset_index(drop=True)
        labelled = (table["mask"] != "").to_numpy()
        if (table.loc[labelled, "split"] == "").any():
            table.loc[labelled, "split"] = extend_split(table[labelled], fractions, seed)
        table.loc[~labelled, "split"] = UNLABELLED
        prints = fingerprint_table(table, self.fingerprints)
        new_classes = self.classes[self.dataset.num_classes :]
        self.batch = replace(self.batch, new_classes=new_classes)
        return Changes(
            manifest=table,
            classes=self.classes if new_classes else None,
            tables={FINGERPRINTS: prints, INGESTED: self.ledger.extended(self.known).table()},
            added=self.added,
            retired=self.retired,
            reasons=self.reasons,
        )

    def _newcomer(self, digest: Digest) -> None:
        if digest.empty and not self.include_defect_free:
            self._count("defect_free")
            self._remember(digest, DEFECT_FREE, DEFECT_FREE, "")
            return
        assert digest.fingerprint is not None
        name = digest.record.image.stem
        if name.casefold() in self.taken["images"]:
            name = f"{self.batch.name}-{digest.record.name}"
        stem = unique_name(name, self.taken["images"])
        image = f"images/{stem}{digest.image.suffix.lower()}"
        self.added[image] = digest.image
        self.rows[image] = {
            "image": image,
            "mask": "",
            "group": "",
            "batch": self.batch.name,
            "split": "",
            "sha256": digest.sha256,
            "mask_sha256": "",
            "height": digest.size[0],
            "width": digest.size[1],
            "pixels": [0] * len(self.classes),
        }
        self.new[image] = digest
        self.fingerprints[image] = digest.fingerprint
        self.by_content[digest.fingerprint.content] = image
        self._count("images")
        if digest.mask is not None:
            self._label(digest, image)
            self._count("labelled")
        self._remember(digest, IMAGE, MASK, image)

    def _twin(self, digest: Digest, image: str, fingerprint: Fingerprint) -> None:
        """An image that the dataset, or an earlier file of the batch, holds already."""
        own = self._owns(digest, image)
        outcome = IMAGE if own else COPY
        row, labels = self.rows[image], self.fingerprints[image].labels
        if digest.mask is None or labels == fingerprint.labels:
            if not own:
                self._count("copies")
            self._remember(digest, outcome, MASK if own else COPY, image)
        elif not row["mask"]:
            if digest.empty and not self.include_defect_free:
                self._count("defect_free")
                self._remember(digest, DEFECT_FREE, DEFECT_FREE, image)
                return
            self._label(digest, image)
            self._count("labelled" if image in self.new else "upgraded")
            self._remember(digest, outcome, MASK, image)
        elif own:
            retired = row["mask"]
            self.retired[retired] = self._kept_apart(Path(retired))
            reason = f"mask of {image} until batch {self.batch.name}; it changed at its source"
            self.reasons.append({"file": Path(self.retired[retired]).name, "item": retired, "reason": reason})
            self.faults.append(
                Fault(
                    "warning",
                    "relabelled",
                    digest.item,
                    f"its mask changed at its source: {image} (split {row['split']}) has the new one now, "
                    f"and the old one is {self.retired[retired]}",
                )
            )
            self._label(digest, image)
            self._count("relabelled")
            self._remember(digest, IMAGE, MASK, image)
        else:
            message = (
                f"it is the same image as {image} and has another mask; that one stays. If the new mask is "
                "the right one, replace the mask where the image came from first, and ingest that again"
            )
            self.faults.append(Fault("warning", "label-conflict", digest.item, message))
            self._reject(digest, CONFLICT, message)

    def _owns(self, digest: Digest, image: str) -> bool:
        """Whether an image was delivered under this very key, so that changed masks beside it correct it."""
        known = self.ledger.get(self.todo.entries[digest.record.image])
        return known is not None and known.outcome == IMAGE and known.image == image

    def _label(self, digest: Digest, image: str) -> None:
        """Give a row the mask of a digest, as a new file."""
        assert digest.mask is not None
        assert digest.fingerprint is not None
        mask = f"masks/{unique_name(Path(image).stem, self.taken['masks'])}.png"
        self.added[mask] = digest.mask
        self.rows[image] |= {"mask": mask, "mask_sha256": digest.mask_sha256, "pixels": list(digest.pixels)}
        if self.rows[image]["split"] == UNLABELLED:
            self.rows[image]["split"] = ""
        self.fingerprints[image] = replace(self.fingerprints[image], labels=digest.fingerprint.labels)

    def _reject(self, digest: Digest, outcome: str, reason: str) -> None:
        if any(fault.kind == NOT_READ for fault in digest.faults):
            return  # the next ingest tries again
        self._count("quarantined")
        self._quarantine(digest.record.image, digest.item, reason)
        for path, _ in digest.record.masks:
            self._quarantine(path, self.todo.entries[path].key, f"the mask of {digest.item}")
        self._remember(digest, outcome, outcome, "")

    def _quarantine(self, path: Path | None, item: str, reason: str) -> None:
        name = ""
        # A link is an image that the dataset holds.
        if path is not None and path.is_file() and not path.is_symlink():
            place = self._kept_apart(Path(item))
            self.added[place] = path
            name = Path(place).name
        self.reasons.append({"file": name, "item": f"{self.batch.name}/{item}", "reason": reason})

    def _kept_apart(self, item: Path) -> str:
        stem = unique_name(f"{self.batch.name}-{item.with_suffix('')}", self.taken[QUARANTINE])
        return f"{QUARANTINE}/{stem}{item.suffix.lower()}"

    def _remember(self, digest: Digest, image_outcome: str, mask_outcome: str, image: str) -> None:
        for number, entry in enumerate(self.todo.files(digest.record)):
            outcome = mask_outcome if number else image_outcome
            before = self.ledger.get(entry)
            if not image and before is not None and before.outcome == IMAGE and before.etag == entry.etag:
                continue  # the image stays in the dataset; its new mask is of no use
            self.known.append(Known(entry.identity, entry.etag, self.batch.name, outcome, image))

    def _count(self, name: str) -> None:
        self.batch = replace(self.batch, **{name: getattr(self.batch, name) + 1})

    def _place(self) -> None:
        """Groups of the new images; rows of groups without a split may be joined to others."""
        split_of = {
            row["group"]: row["split"] for row in self.rows.values() if row["split"] not in {"", UNLABELLED}
        }
        old = [image for image in self.rows if image not in self.new]
        members = [
            Member(image, self.rows[image]["group"], split_of.get(self.rows[image]["group"], ""))
            for image in old
        ]
        newcomers = [Newcomer(new.item, self._stated(new, image)) for image, new in self.new.items()]
        descriptors = [self.fingerprints[image].descriptor for image in (*old, *self.new)]
        if not newcomers:
            return
        olds, news, faults = place(members, newcomers, at_half_precision(descriptors), self.batch.name)
        for image, group in zip((*old, *self.new), (*olds, *news), strict=True):
            self.rows[image]["group"] = group
        self.faults += faults

    def _stated(self, digest: Digest, image: str) -> str:
        """The group that groups.csv states, else that of an older version of the same object."""
        known = self.ledger.get(self.todo.entries[digest.record.image])
        if known is not None and known.image in self.rows and known.image != image:
            self.faults.append(
                Fault(
                    "warning",
                    "new-version",
                    digest.item,
                    f"it changed at its source; {known.image}, its older version, stays in the dataset, "
                    "and both are one part",
                )
            )
            return str(self.rows[known.image]["group"])
        return (self.todo.layout.groups or {}).get(digest.item, "")
