"""A source as an import and an audit open it."""

from __future__ import annotations

from pathlib import Path

from autonad.data.ingest.settings import IngestSettings
from autonad.data.layouts.formats import read_layout
from autonad.data.layouts.layout import Layout


def open_layout(source: Path, settings: IngestSettings) -> Layout:
    """List a source and decide how its pixels are read; see `formats.read_layout`."""
    return read_layout(
        settings.format,
        source,
        groups_csv=settings.groups_csv,
        include_defect_free=settings.include_defect_free,
        threshold=settings.threshold,
        classes=settings.classes,
        max_bytes=settings.max_bytes,
        pixels=settings.pixels,
    )
