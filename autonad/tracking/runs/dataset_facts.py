"""What a run says about a dataset that it used: an input and tags."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autonad.tracking.tags import CONTEXT, DATASET, DVC_DIRTY, DVC_MD5, FINGERPRINT

if TYPE_CHECKING:
    from autonad.tracking.connection import DatasetInput

MAX_DIGEST = 36  # MLflow's limit


@dataclass(frozen=True)
class DatasetFacts:
    """What a run says about a dataset that it used.

    Attributes:
        name: Versions of a dataset share it.
        fingerprint: Sha256 of classes and manifest.
        dvc_md5: What DVC calls its content; None if DVC does not know it, or knows other content.
        images: Number of images.
        groups: Number of physical parts.
        classes: Names, background first.
        dvc_changed: Whether DVC knows the folder with other content.
    """

    name: str
    fingerprint: str
    dvc_md5: str | None
    images: int
    groups: int
    classes: tuple[str, ...]
    dvc_changed: bool = False

    @property
    def tags(self) -> dict[str, str]:
        """What a run that used it is tagged with."""
        found = {DATASET: self.name, FINGERPRINT: self.fingerprint}
        if self.dvc_md5 is not None:
            found[DVC_MD5] = self.dvc_md5
        if self.dvc_changed:
            found[DVC_DIRTY] = "true"
        return found

    def as_input(self, context: str) -> DatasetInput:
        """MLflow's entity.

        Args:
            context: What the dataset was used for.
        """
        from autonad.tracking.connection import Dataset, DatasetInput, InputTag

        entity = Dataset(
            name=self.name,
            digest=(self.dvc_md5 or self.fingerprint)[:MAX_DIGEST],
            source_type="dvc" if self.dvc_md5 else "local",
            source=json.dumps({"path": self.name, "dvc_md5": self.dvc_md5, "fingerprint": self.fingerprint}),
            profile=json.dumps({"images": self.images, "groups": self.groups, "classes": list(self.classes)}),
        )
        return DatasetInput(dataset=entity, tags=[InputTag(key=CONTEXT, value=context)])
