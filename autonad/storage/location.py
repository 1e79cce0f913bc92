"""Addresses of the form s3://bucket/prefix."""

from __future__ import annotations

import re
from dataclasses import dataclass

from autonad.errors import StorageError

SCHEME = "s3://"


@dataclass(frozen=True)
class Location:
    """A bucket and the beginning of the keys that are meant; an empty prefix means all of them."""

    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        """The location as s3://bucket/prefix."""
        return f"{SCHEME}{self.bucket}/{self.prefix}"


def parse_url(url: str) -> Location:
    """Split s3://bucket/prefix; a prefix means the folder of that name.

    Raises:
        StorageError: It is no such address, or it carries credentials (which the message does not repeat).
    """
    if "@" in url.removeprefix(SCHEME).split("/")[0]:
        raise StorageError(
            "the s3:// address carries credentials; take them out, and give them as AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        )
    bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
    if not url.startswith(SCHEME) or not re.fullmatch(r"[A-Za-z0-9._-]{3,255}", bucket):
        raise StorageError(f"{url!r} is no address of a bucket; write s3://bucket or s3://bucket/prefix")
    prefix = prefix.strip("/")
    return Location(bucket, f"{prefix}/" if prefix else "")
