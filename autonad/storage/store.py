"""Object stores that speak S3: list, read, download in parallel, upload. Only this room imports boto3.

Credentials, region and endpoint come from where boto3 looks for them (AWS_* variables, ~/.aws, the machine's
role; see docs/storage.md). They are never part of a message, and every failure becomes a `StorageError`
that says what was asked of which bucket and how to mend it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError

from autonad.errors import StorageError
from autonad.storage.download import Download, Downloader, StoredObject
from autonad.storage.location import SCHEME, Location
from autonad.storage.refusals import GONE, code_of, explained, without_password


class Store:
    """A connection to one store, safe to be used by several threads.

    Args:
        attempts: Tries of every request, and of every download that breaks off.
        connections: Requests at the same time.

    Raises:
        StorageError: The settings that boto3 finds cannot be used.
    """

    def __init__(self, *, attempts: int = 4, connections: int = 16) -> None:
        self._attempts, self._connections = attempts, connections
        with explained("the settings of the object store", "the object store"):
            settings = botocore.session.get_session()
            session = boto3.session.Session(botocore_session=settings)
            self._client: Any = session.client(
                "s3",
                region_name=session.region_name or "us-east-1",
                config=ClientConfig(
                    retries={"mode": "standard", "total_max_attempts": attempts},
                    max_pool_connections=connections,
                    # Without it botocore composes this header anew for every request.
                    user_agent="autonad",
                    connect_timeout=10,
                    read_timeout=60,
                    **_checksums(settings),
                ),
            )
        self._place = without_password(self._client.meta.endpoint_url)

    def list_objects(self, location: Location) -> Iterator[StoredObject]:
        """Objects below a location in the order of their keys; markers of folders are left out.

        Raises:
            StorageError: The bucket is missing or refuses, or the store cannot be reached.
        """
        with explained(f"listing {location.url}", self._place):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=location.bucket, Prefix=location.prefix
            )
            for page in pages:
                for found in page.get("Contents", ()):
                    if not (found["Key"].endswith("/") and found["Size"] == 0):
                        written = found["LastModified"].timestamp()
                        yield StoredObject(found["Key"], found["Size"], found["ETag"].strip('"'), written)

    def exists(self, bucket: str, key: str) -> bool:
        """Whether an object exists.

        Raises:
            StorageError: The bucket refuses, or the store cannot be reached.
        """
        with explained(f"looking for {SCHEME}{bucket}/{key}", self._place):
            try:
                self._client.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if code_of(error) in GONE:
                    return False
                raise
        return True

    def upload(self, path: Path, bucket: str, key: str) -> None:
        """Put a file into a bucket under a key, in parts if it is large.

        Raises:
            StorageError: The file cannot be read, the bucket is missing or refuses, or the store cannot be
                reached.
        """
        with explained(f"writing {SCHEME}{bucket}/{key}", self._place):
            try:
                self._client.upload_file(str(path), bucket, key)
            except boto3.exceptions.S3UploadFailedError as error:
                # It wraps the refusal, which has a remedy of its own.
                cause = error.__context__
                raise (cause if isinstance(cause, ClientError | BotoCoreError) else error) from None

    def read(self, bucket: str, key: str, *, at_most: int) -> tuple[bytes, str] | None:
        """A small object: its content, and the ETag that changes with it; None where there is none.

        Args:
            bucket: Where it lies.
            key: Its key.
            at_most: Bytes that it may have.

        Raises:
            StorageError: It is larger, the bucket is missing or refuses, or the store cannot be reached.
        """
        url = f"{SCHEME}{bucket}/{key}"
        with explained(f"reading {url}", self._place):
            try:
                answer = self._client.get_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if code_of(error) in GONE:
                    return None
                raise
            with answer["Body"] as body:
                content = body.read(at_most + 1)
        if len(content) > at_most:
            raise StorageError(
                f"{url} has {answer['ContentLength']} bytes, and what belongs there has {at_most} at most; "
                "remove it, and have it written again"
            )
        return content, answer["ETag"].strip('"')

    def write(self, bucket: str, key: str, content: bytes) -> None:
        """Put a small object; it appears whole. StorageError as for `upload`."""
        with explained(f"writing {SCHEME}{bucket}/{key}", self._place):
            self._client.put_object(Bucket=bucket, Key=key, Body=content)

    def replace(self, bucket: str, key: str, content: bytes, *, seen: str | None) -> bool:
        """Put a small object, unless another one is there than the one that was seen.

        A store that does not know conditions writes in any case.

        Args:
            bucket: Where it goes.
            key: Its key.
            content: What it becomes.
            seen: The ETag that `read` gave; None if there was no object.

        Returns:
            Whether it was put.

        Raises:
            StorageError: The bucket is missing or refuses, or the store cannot be reached.
        """
        condition = {"IfNoneMatch": "*"} if seen is None else {"IfMatch": seen}
        with explained(f"writing {SCHEME}{bucket}/{key}", self._place):
            try:
                self._client.put_object(Bucket=bucket, Key=key, Body=content, **condition)
            except ClientError as error:
                if code_of(error) in {*GONE, "ConditionalRequestConflict", "409"}:
                    return False
                if code_of(error) not in {"NotImplemented", "501"}:
                    raise
                self._client.put_object(Bucket=bucket, Key=key, Body=content)
        return True

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object; one that is gone already is no error. StorageError as for `upload`."""
        with explained(f"removing {SCHEME}{bucket}/{key}", self._place):
            self._client.delete_object(Bucket=bucket, Key=key)

    def create_bucket(self, bucket: str) -> None:
        """Make a bucket.

        Raises:
            StorageError: It exists, the name is unusable, the store refuses or cannot be reached.
        """
        with explained(f"making the bucket {SCHEME}{bucket}", self._place):
            self._client.create_bucket(Bucket=bucket)

    def download(self, bucket: str, objects: Iterable[tuple[StoredObject, Path]]) -> Iterator[Download]:
        """Download objects to files, several at a time, in the order in which they arrive.

        Each file appears at once and whole: length and, where the ETag is one, MD5 were compared. Closing
        the iterator ends the downloads; what has arrived stays.

        Args:
            bucket: Where they lie.
            objects: Objects of a listing with the files to write; their folders must exist.

        Yields:
            Each object once; one that vanished or changed since it was listed with its problem.

        Raises:
            StorageError: The bucket refuses, the store cannot be reached (any more) or a file cannot be
                written.
        """
        found = Downloader(self._client, bucket, self._place, self._attempts, self._connections)
        yield from found.run(list(objects))


def _checksums(settings: botocore.session.Session) -> dict[str, str]:
    """Checksums that only AWS understands stay off, unless the environment or the profile asks for them."""
    asked = settings.get_scoped_config()
    return {
        name: "when_required"
        for name in ("request_checksum_calculation", "response_checksum_validation")
        if name not in asked and f"AWS_{name.upper()}" not in os.environ
    }
