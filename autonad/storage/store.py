"""Object stores that speak S3: list, download in parallel, upload. The only place that imports boto3.

Credentials, region and endpoint come from where boto3 looks for them (AWS_* variables, ~/.aws, the machine's
role; see docs/storage.md). They are never part of a message, and every failure becomes a `StorageError`
that says what was asked of which bucket and how to mend it.
"""

from __future__ import annotations

import hashlib
import os
import queue
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
from urllib3.exceptions import HTTPError

from autonad.errors import StorageError
from autonad.storage.location import SCHEME, Location

_MEBIBYTE = 2**20
_MD5_ETAG = re.compile(r"[0-9a-f]{32}")
# The connection broke after the answer had begun; botocore's own retries end where the body begins.
_DROPPED = (IncompleteReadError, HTTPClientError, HTTPError, ConnectionError, TimeoutError)
_DENIED = {"AccessDenied", "AllAccessDisabled", "403", "Forbidden"}
_REJECTED = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "AuthFailure",
    "401",
    "InvalidClientTokenId",
}
_GONE = {"NoSuchKey", "404", "PreconditionFailed", "412"}


@dataclass(frozen=True)
class StoredObject:
    """One object of a listing: its key, its size in bytes, and the ETag that changes with its content."""

    key: str
    size: int
    etag: str


@dataclass(frozen=True)
class Download:
    """How the download of one object ended; `problem` says why there is no file, where there is none."""

    object: StoredObject
    problem: str | None = None


class Store:
    """A connection to one store, safe to be used by several threads.

    Args:
        attempts: Tries of every request, and of every download that breaks off.
        connections: Requests at the same time.
        environment: Where AWS_* variables are looked up, beside the files that boto3 reads by itself.

    Raises:
        StorageError: The settings of the environment cannot be used.
    """

    def __init__(
        self, *, attempts: int = 4, connections: int = 16, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._attempts, self._connections = attempts, connections
        self._endpoint = _shown(
            environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL") or ""
        )
        # Checksums that only AWS understands stay off, unless somebody asks for them.
        checksums = {
            name.removeprefix("AWS_").lower(): "when_required"
            for name in ("AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION")
            if name not in environment
        }
        with self._explained("the settings of the object store"):
            session = boto3.session.Session()
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
                    **checksums,
                ),
            )

    def list_objects(self, location: Location) -> Iterator[StoredObject]:
        """Objects below a location in the order of their keys; markers of folders are left out.

        Raises:
            StorageError: The bucket is missing or refuses, or the store cannot be reached.
        """
        with self._explained(f"listing {location.url}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=location.bucket, Prefix=location.prefix
            )
            for page in pages:
                for found in page.get("Contents", ()):
                    if not (found["Key"].endswith("/") and found["Size"] == 0):
                        yield StoredObject(found["Key"], found["Size"], found["ETag"].strip('"'))

    def exists(self, bucket: str, key: str) -> bool:
        """Whether an object exists.

        Raises:
            StorageError: The bucket refuses, or the store cannot be reached.
        """
        with self._explained(f"looking for {SCHEME}{bucket}/{key}"):
            try:
                self._client.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if _code(error) in _GONE:
                    return False
                raise
        return True

    def upload(self, path: Path, bucket: str, key: str) -> None:
        """Put a file into a bucket under a key, in parts if it is large.

        Raises:
            StorageError: The file cannot be read, the bucket is missing or refuses, or the store cannot be
                reached.
        """
        with self._explained(f"writing {SCHEME}{bucket}/{key}"):
            try:
                self._client.upload_file(str(path), bucket, key)
            except boto3.exceptions.S3UploadFailedError as error:
                # It wraps the refusal, which has a remedy of its own.
                cause = error.__context__
                raise (cause if isinstance(cause, ClientError | BotoCoreError) else error) from None

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object; one that is gone already is no error. StorageError as for `upload`."""
        with self._explained(f"removing {SCHEME}{bucket}/{key}"):
            self._client.delete_object(Bucket=bucket, Key=key)

    def create_bucket(self, bucket: str) -> None:
        """Make a bucket.

        Raises:
            StorageError: It exists, the name is unusable, the store refuses or cannot be reached.
        """
        with self._explained(f"making the bucket {SCHEME}{bucket}"):
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
        waiting = list(objects)[::-1]
        arrived: queue.SimpleQueue[Download | BaseException] = queue.SimpleQueue()
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                try:
                    item, path = waiting.pop()
                except IndexError:
                    return
                try:
                    arrived.put(self._fetch(bucket, item, path, stop))
                except BaseException as error:
                    arrived.put(error)
                    return

        total = len(waiting)
        with ThreadPoolExecutor(max(1, min(self._connections, total))) as pool:
            for _ in range(min(self._connections, total)):
                pool.submit(work)
            try:
                for _ in range(total):
                    found = arrived.get()
                    if isinstance(found, BaseException):
                        raise found
                    yield found
            finally:
                stop.set()

    def _fetch(self, bucket: str, item: StoredObject, path: Path, stop: threading.Event) -> Download:
        url = f"{SCHEME}{bucket}/{item.key}"
        for attempt in range(1, self._attempts + 1):
            try:
                with self._explained(f"reading {url}"):
                    return self._read(bucket, item, path)
            except _Broken as broken:
                if attempt == self._attempts:
                    raise StorageError(
                        f"the connection to {self._place} broke off while {url} was read "
                        f"({attempt} times: {broken}); check the network, then repeat the command: what has "
                        "arrived is kept"
                    ) from broken
                if stop.wait(0.1 * 2**attempt):
                    raise
        raise AssertionError("the loop returns or raises")

    def _read(self, bucket: str, item: StoredObject, path: Path) -> Download:
        """Read one object once.

        Raises:
            _Broken: The body ended early or is not what the ETag says.
        """
        try:
            answer = self._client.get_object(Bucket=bucket, Key=item.key)
        except ClientError as error:
            if _code(error) in _GONE:
                return Download(item, "it vanished or changed while it was read; repeat the command")
            if _code(error) == "InvalidObjectState":
                return Download(item, "it lies in an archive; restore it there, then repeat the command")
            raise
        body = answer["Body"]
        if answer["ETag"].strip('"') != item.etag or answer["ContentLength"] != item.size:
            body.close()
            return Download(item, "it changed while it was read; repeat the command")
        md5 = hashlib.md5(usedforsecurity=False)
        temporary = f"{path}.{threading.get_ident()}.tmp"
        try:
            length = 0
            with open(temporary, "wb") as file:
                for chunk in _chunks(body, item.size):
                    length += len(chunk)
                    md5.update(chunk)
                    file.write(chunk)
            if length != item.size:
                raise _Broken(f"{length} of {item.size} bytes came")
            # The ETag is the MD5 unless the object came in parts or is encrypted with a key of the store's.
            plain = answer.get("ServerSideEncryption") in {None, "AES256"} and (
                "SSECustomerAlgorithm" not in answer
            )
            if plain and _MD5_ETAG.fullmatch(item.etag) and md5.hexdigest() != item.etag:
                raise _Broken("its MD5 is not its ETag")
            os.replace(temporary, path)
        except BaseException:
            body.close()
            with suppress(OSError):
                os.unlink(temporary)
            raise
        return Download(item)

    @property
    def _place(self) -> str:
        return self._endpoint or "the object store"

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turn what boto3 raises into one clear message."""
        try:
            yield
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise StorageError(
                f"{what}: there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or "
                "AWS_PROFILE)"
            ) from error
        except ProfileNotFound as error:
            raise StorageError(
                f"{what}: AWS_PROFILE names no profile of ~/.aws; correct or unset it"
            ) from error
        except ClientError as error:
            raise StorageError(f"{what}: {self._refusal(error)}") from error
        except EndpointConnectionError as error:
            raise StorageError(
                f"{what}: {self._place} cannot be reached; check AWS_ENDPOINT_URL, AWS_REGION and the network"
            ) from error
        except _DROPPED as error:
            raise StorageError(
                f"{what}: the connection to {self._place} broke off ({type(error).__name__}); check the "
                "network, then repeat the command"
            ) from error
        except (BotoCoreError, boto3.exceptions.Boto3Error) as error:
            raise StorageError(
                f"{what}: the request is not possible ({type(error).__name__}); check the address and the "
                "AWS_* variables"
            ) from error
        except ValueError as error:
            # The endpoint is no address; it may hold a password, so it is not repeated as it is.
            raise StorageError(
                f"{what}: AWS_ENDPOINT_URL is no address; write it as https://host or http://host:9000"
            ) from error
        except OSError as error:
            raise StorageError(
                f"{what}: {error.strerror or type(error).__name__} ({error.filename}); free some space or "
                "check the permissions, then repeat the command: what has arrived is kept"
            ) from error

    def _refusal(self, error: ClientError) -> str:
        code = _code(error)
        if code == "NoSuchBucket":
            return f"there is no such bucket at {self._place}; check its name and AWS_ENDPOINT_URL"
        if code in _DENIED:
            return (
                "the store denies access; ask its owner for the permission (reading needs s3:ListBucket and "
                "s3:GetObject), or use other credentials"
            )
        if code in _REJECTED:
            return (
                f"the store does not accept the credentials ({code}); check AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and the clock of this machine"
            )
        if code in _GONE:
            return "there is no such object; check its name"
        return f"the store answers {code}; repeat the command, and ask its operator if that does not help"


class _Broken(Exception):
    """A body that did not come as announced."""


def _chunks(body: Any, size: int) -> Iterator[bytes]:
    try:
        if size <= _MEBIBYTE:  # one call for all of it is much quicker
            yield body.read()
            return
        while chunk := body.read(_MEBIBYTE):
            yield chunk
    except _DROPPED as error:
        raise _Broken(type(error).__name__) from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "an unknown error"))


def _shown(endpoint: str) -> str:
    """An endpoint without user and password."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""
