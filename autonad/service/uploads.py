"""The body of a request: images and rules, read within limits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from autonad.console import shown
from autonad.service.limits import Limits, Refusal

IMAGE_FIELD, RULES_FIELD = "image", "rules"
MAX_RULES = 64_000  # bytes
# Of each damaged form it would print what the refusal says to the one who sent it.
logging.getLogger("python_multipart").setLevel(logging.ERROR)
_FORM, _RAW = "multipart/form-data", "application/octet-stream"
_ACCEPTED = (
    f"send an image as the body with its Content-Type (image/png, {_RAW}), or {_FORM} with a file in each "
    f"field {IMAGE_FIELD}"
)


@dataclass(frozen=True)
class Upload:
    """An image file as it came."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Uploads:
    """What a request brings.

    Attributes:
        images: At least one.
        rules: Rules as YAML, in place of the service's; None if it brings none.
    """

    images: tuple[Upload, ...]
    rules: str | None = None


class _InMemory(MultiPartParser):
    """Nothing is written to a disk: the whole body is bounded."""

    def __init__(self, headers: Headers, stream: AsyncGenerator[bytes, None], limits: Limits) -> None:
        super().__init__(headers, stream, max_files=limits.images, max_fields=1, max_part_size=MAX_RULES)
        self.spool_max_size = limits.max_bytes + 1

    async def parse(self) -> FormData:
        """Parse the form; no file stays open but those of the form, also where it is cut off."""
        used: list[object] = []
        try:
            form = await super().parse()
            used += [value.file for _, value in form.multi_items() if isinstance(value, UploadFile)]
            return form
        finally:
            for file in self._files_to_close_on_error:
                if not any(file is one for one in used):
                    file.close()


async def read_uploads(request: Request, limits: Limits) -> Uploads:
    """Read the body.

    Raises:
        Refusal: 408 too slow, 411 or 413 too large, 415 no image, 422 a form that is not as it should be.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limits.max_bytes:
        raise _too_large(limits)
    kind = request.headers.get("content-type", _RAW).partition(";")[0].strip().lower()
    if not (kind in (_FORM, _RAW) or kind.startswith("image/")):
        raise Refusal(415, f"Content-Type {shown(kind)[:100]!r} is none of an image; {_ACCEPTED}")
    try:
        async with asyncio.timeout(limits.body_seconds), aclosing(_bounded(request, limits)) as stream:
            if kind == _FORM:
                return await _form(_InMemory(request.headers, stream, limits))
            return Uploads((Upload("image", b"".join([chunk async for chunk in stream])),))
    except TimeoutError as error:
        raise Refusal(
            408,
            f"the body did not arrive within {limits.body_seconds:g} s; send it faster, or a smaller image",
            Connection="close",
        ) from error


async def _bounded(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    count = 0
    async for chunk in request.stream():
        count += len(chunk)
        if count > limits.max_bytes:
            raise _too_large(limits)
        yield chunk


async def _form(parser: MultiPartParser) -> Uploads:
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refusal(
            422, f"the form cannot be read ({shown(error.message.rstrip('.'))}); {_ACCEPTED}"
        ) from error
    try:
        _check_fields(form)
        images = [
            Upload(shown(one.filename or "image"), await one.read())
            for one in form.getlist(IMAGE_FIELD)
            if isinstance(one, UploadFile)
        ]
        rules = form.get(RULES_FIELD)
    finally:
        await form.close()
    if not images:
        raise Refusal(422, f"the form has no field {IMAGE_FIELD} with a file; {_ACCEPTED}")
    return Uploads(tuple(images), rules if isinstance(rules, str) else None)


def _check_fields(form: FormData) -> None:
    for name, value in form.multi_items():
        expected = {IMAGE_FIELD: UploadFile, RULES_FIELD: str}.get(name)
        if expected is None:
            raise Refusal(
                422,
                f"the form has a field {shown(name)[:100]!r}; it takes {IMAGE_FIELD} (a file, repeatable) "
                f"and {RULES_FIELD} (text)",
            )
        if not isinstance(value, expected):
            needed = "a file; give it a filename" if expected is UploadFile else "text, no file"
            raise Refusal(422, f"the field {name} must be {needed}")


def _too_large(limits: Limits) -> Refusal:
    return Refusal(
        413, f"the body has more than {limits.megabytes:g} MB; send a smaller image, or several requests"
    )
