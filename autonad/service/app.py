"""The routes of the service, and what they say about themselves."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from autonad import __version__
from autonad.service.examining import Asked, Examination
from autonad.service.gate import Gate
from autonad.service.limits import Limits, Refusal, Workers
from autonad.service.monitoring import Monitor
from autonad.service.reloading import Reloading
from autonad.service.schemas import About, Detected, OverlayForm, Problem, Shapes, State
from autonad.service.uploads import IMAGE_FIELD, MAX_RULES, RULES_FIELD, read_uploads

PAGE = Path(__file__).parent / "page"
PAGE_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
_REFUSALS = {
    400: "An image cannot be read.",
    408: "The body arrives too slowly.",
    413: "The body is too large, or its images have too many pixels.",
    415: "The body is no image.",
    422: "The form, the rules or a parameter is wrong.",
    429: "Too many requests; ask again after the seconds in Retry-After.",
    503: "The model cannot be used, or it took too long.",
}
_BINARY = {"type": "string", "format": "binary"}


@dataclass(frozen=True)
class Service:
    """What the routes call.

    Attributes:
        model: The model in use.
        examination: What a request is examined with.
        workers: Who examines.
        monitor: Figures.
    """

    model: Reloading
    examination: Examination
    workers: Workers
    monitor: Monitor
    state: dict[str, bool] = field(default_factory=lambda: {"ready": False})

    async def detect(
        self,
        request: Request,
        shapes: Annotated[Shapes, Query(description="how the shapes of defects are said")] = Shapes.POLYGON,
        overlay: Annotated[
            OverlayForm, Query(description="inline: a PNG in the answer; png: a PNG is the answer")
        ] = OverlayForm.NONE,
    ) -> Response:
        """Find and judge the defects of one or several images; all are answered or none."""
        self.workers.places.check()
        with self.workers.arriving.held():
            uploads = await read_uploads(request, self.examination.limits)
        served, asked = self.model.current, Asked(shapes, overlay)
        found = await self.workers.run(lambda: self.examination.examine(served, uploads, asked))
        if isinstance(found, bytes):
            return Response(found, media_type="image/png")
        return Response(found.model_dump_json(), media_type="application/json")

    async def health(self) -> State:
        """The process lives."""
        return State(status="alive")

    async def ready(self) -> State:
        """The model is open, and requests are taken."""
        if not self.state["ready"]:
            raise Refusal(
                503, "the service is starting or ending; ask again, or another one", Retry_After="5"
            )
        return State(status="ready")

    async def version(self) -> About:
        """What runs here: the model, its classes, and the rules in force."""
        served = self.model.current
        return About(
            autonad=__version__,
            model=served.identity,
            source=self.model.source,
            classes=list(served.detector.spec.classes),
            rules=served.detector.rules.to_dict(),
        )

    async def rules(self) -> Response:
        """The rules in force as rules.yaml."""
        import yaml

        text = yaml.safe_dump(
            self.model.current.detector.rules.to_dict(), sort_keys=False, allow_unicode=True
        )
        return Response(text, media_type="application/yaml")

    async def metrics(self) -> Response:
        """Figures for Prometheus."""
        return Response(self.monitor.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Follow the model while requests are answered."""
        self.model.start()
        self.state["ready"] = True
        try:
            yield
        finally:
            self.state["ready"] = False
            self.model.close()
            self.workers.close()


def create_app(service: Service, token: str | None = None) -> ASGIApp:
    """The application.

    Args:
        service: What the routes call.
        token: What clients must send as `Authorization: Bearer`; None asks for nothing. Whether the process
            lives and is ready, and the page, are told to all.
    """
    app = FastAPI(
        title="AutoNAD detector",
        version=__version__,
        description="Finds defects in images and judges them: OK, REVIEW or NG, with reasons.",
        lifespan=service.lifespan,
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
    )
    guarded = [] if token is None else [Depends(_checks(token))]
    refused = {} if token is None else _documented(401, "The token is missing or wrong.")
    app.add_api_route(
        "/detect",
        service.detect,
        methods=["POST"],
        response_model=Detected,
        responses={
            200: {"content": {"image/png": {"schema": _BINARY}}},
            **{
                code: one
                for status, text in _REFUSALS.items()
                for code, one in _documented(status, text).items()
            },
            **refused,
        },
        openapi_extra={"requestBody": _body(service.examination.limits)},
        dependencies=guarded,
    )
    app.add_api_route("/health", service.health)
    app.add_api_route("/ready", service.ready, responses=_documented(503, "It is starting or ending."))
    app.add_api_route("/version", service.version, responses=refused, dependencies=guarded)
    for path, call, kind, form in (
        ("/rules", service.rules, "application/yaml", "object"),
        ("/metrics", service.metrics, "text/plain", "string"),
    ):
        content: dict[int | str, dict[str, Any]] = {200: {"content": {kind: {"schema": {"type": form}}}}}
        app.add_api_route(
            path, call, response_class=Response, responses={**content, **refused}, dependencies=guarded
        )
    _add_page(app)
    app.add_exception_handler(Refusal, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_parameters)
    app.add_exception_handler(ClientDisconnect, _nobody_listens)
    paths = frozenset({"/detect", "/health", "/ready", "/version", "/rules", "/metrics", "/openapi.json"})
    return Gate(app, service.monitor, paths | PAGE_FILES.keys())


def _add_page(app: FastAPI) -> None:
    for path, (name, kind) in PAGE_FILES.items():
        content = (PAGE / name).read_bytes()
        app.add_route(path, _file(content, kind), methods=["GET"], include_in_schema=False)


def _file(content: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def file(request: Request) -> Response:
        return Response(content, headers={"Content-Type": kind, "Cache-Control": "no-cache"})

    return file


def _documented(status: int, text: str) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem, "description": text}}


def _body(limits: Limits) -> dict[str, Any]:
    """What `POST /detect` takes."""
    form = {
        "type": "object",
        "required": [IMAGE_FIELD],
        "additionalProperties": False,
        "properties": {
            IMAGE_FIELD: {"type": "array", "items": _BINARY, "minItems": 1, "maxItems": limits.images},
            RULES_FIELD: {
                "type": "string",
                "maxLength": MAX_RULES,
                "description": "rules.yaml, in place of the rules in force, for this request alone",
            },
        },
    }
    images = ("image/png", "image/jpeg", "image/bmp", "image/tiff", "image/webp", "application/octet-stream")
    return {
        "required": True,
        "content": {
            **{kind: {"schema": _BINARY} for kind in images},
            "multipart/form-data": {"schema": form},
        },
    }


def _checks(token: str) -> Callable[..., None]:
    scheme = HTTPBearer(auto_error=False)

    def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(scheme)]) -> None:
        # Bytes: a comparison of texts refuses those that are not ASCII.
        if given is None or not hmac.compare_digest(given.credentials.encode(), token.encode()):
            raise Refusal(
                401,
                "the token is missing or wrong; send Authorization: Bearer TOKEN",
                WWW_Authenticate="Bearer",
            )

    # FastAPI resolves annotations by the module's names, which a closure's are not among.
    check.__annotations__ = {"given": Annotated[HTTPAuthorizationCredentials | None, Depends(scheme)]}
    return check


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return JSONResponse({"detail": error.detail}, error.status, headers=error.headers)


async def _refuse_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    texts = [f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors()]
    return JSONResponse({"detail": "; ".join(texts)}, 422)


async def _nobody_listens(request: Request, error: Exception) -> Response:
    return Response(status_code=400)
