"""What a small source folder is, one file of which is damaged."""

from __future__ import annotations

from dataclasses import dataclass

CONFIGURATION, ARTEFACT = "params", "artefact"  # in place of a format


@dataclass(frozen=True)
class Target:
    """A file to damage.

    Attributes:
        path: Relative to the source.
        mutations: Kind of its damages, see `mutations.SPECIAL`.
        images: Names without suffix of the images that it may cost; all others have to be imported. None if
            the whole import may be refused for it.
    """

    path: str
    mutations: str
    images: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Source:
    """A source folder before it is damaged.

    Attributes:
        format: Of `formats.FORMATS`.
        images: Names without suffix of its images.
        targets: What may be damaged, by kind.
    """

    format: str
    images: tuple[str, ...]
    targets: dict[str, Target]
