"""What a store or the network refuses, as one clear message with its remedy; credentials never appear."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import boto3
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

# The connection broke after the answer had begun; botocore's own retries end where the body begins.
DROPPED = (IncompleteReadError, HTTPClientError, HTTPError, ConnectionError, TimeoutError)
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
GONE = {"NoSuchKey", "404", "PreconditionFailed", "412"}


@contextmanager
def explained(what: str, place: str) -> Iterator[None]:
    """Turn what boto3 raises into one clear message.

    Args:
        what: What was asked for.
        place: The store's address, without credentials.

    Raises:
        StorageError: Whatever boto3 or the disk raised.
    """
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StorageError(
            f"{what}: there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or "
            "AWS_PROFILE)"
        ) from error
    except ProfileNotFound as error:
        raise StorageError(f"{what}: AWS_PROFILE names no profile of ~/.aws; correct or unset it") from error
    except ClientError as error:
        raise StorageError(f"{what}: {_refusal(error, place)}") from error
    except EndpointConnectionError as error:
        raise StorageError(
            f"{what}: {place} cannot be reached; check AWS_ENDPOINT_URL, AWS_REGION and the network"
        ) from error
    except DROPPED as error:
        raise StorageError(
            f"{what}: the connection to {place} broke off ({type(error).__name__}); check the "
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


def code_of(error: ClientError) -> str:
    """The store's word for a refusal."""
    return str(error.response.get("Error", {}).get("Code", "an unknown error"))


def without_password(endpoint: str) -> str:
    """An endpoint without user and password; empty if it is no address."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""


def _refusal(error: ClientError, place: str) -> str:
    code = code_of(error)
    if code == "NoSuchBucket":
        return f"there is no such bucket at {place}; check its name and AWS_ENDPOINT_URL"
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
    if code in GONE:
        return "there is no such object; check its name"
    return f"the store answers {code}; repeat the command, and ask its operator if that does not help"
