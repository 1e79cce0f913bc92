"""Which damages a kind of file can suffer, besides those of any file."""

from __future__ import annotations

from .artefact_damage import lines, network, parquet, safetensors
from .damage import Mutation, Rng, damage
from .document_damage import json_text, json_value, npy, table, xml, yaml
from .picture_damage import exif, png_chunk, png_header, tiff_tag

SPECIAL: dict[str, tuple[Mutation, ...]] = {
    "png": (png_header, png_chunk),
    "tiff": (tiff_tag,),
    "exif": (exif,),
    "json": (json_value, json_value, json_text),
    "xml": (xml,),
    "table": (table,),
    "npy": (npy,),
    "yaml": (yaml,),
    "parquet": (parquet,),
    "safetensors": (safetensors,),
    "network": (network,),
    "lines": (lines,),
}


def mutate(kind: str, content: bytes, rng: Rng) -> bytes:
    """The content of a file, damaged in ways of its kind or of any file."""
    return damage(content, rng, SPECIAL.get(kind, ()))
