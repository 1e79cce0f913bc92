"""Pictures by their names that are not read: somebody may have meant them to be."""

from __future__ import annotations

_OF_CAMERAS = frozenset({".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"})
_JPEG_BY_OTHER_NAMES = frozenset({".jpe", ".jfif", ".mpo"})
_OTHER_FORMATS = frozenset(
    {
        *(".gif", ".apng", ".heic", ".heif", ".avif", ".jxl", ".jxr", ".jp2", ".j2k", ".jpx", ".jpf"),
        *(".tga", ".dib", ".pcx", ".ppm", ".pgm", ".pbm", ".pnm", ".exr", ".hdr", ".dcm", ".psd"),
    }
)
FOREIGN_PICTURES = _OF_CAMERAS | _JPEG_BY_OTHER_NAMES | _OTHER_FORMATS


def why_unread(suffix: str) -> str | None:
    """Why files with a suffix, such as ".gif", are no images for us; None if nothing speaks against it."""
    if suffix not in FOREIGN_PICTURES:
        return None
    return f"{suffix} is a format that is not read; convert it to PNG or JPEG"
