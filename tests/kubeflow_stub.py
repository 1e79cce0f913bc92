"""A stand-in for the API of Kubeflow Pipelines: it records requests and takes what the API's models do."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kfp_server_api
from workflows import manifest

BASE = "/apis/v2beta1"
INT64 = (".max_concurrency", ".interval_second")


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any = None
    package: str = ""  # the uploaded file


@dataclass
class Stub:
    """The server's state.

    Attributes:
        host: Its address.
        requests: What came, in order.
        pipelines: Ids by namespace and name.
        states: What a run's state is, one look after another; the last one stays.
        workflows: What there is of the run, likewise; None where version 1 of the API is not served.
        logs: What pods wrote, by their names.
        version: Of the server; None where it does not tell.
        experiments: What is there.
        taken: How often somebody else makes the experiment at the same moment.
        login: What the header "authorization" or "cookie" must be; None asks for nothing.
    """

    host: str = ""
    requests: list[Request] = field(default_factory=list)
    pipelines: dict[tuple[str, str], str] = field(default_factory=dict)
    states: list[str] = field(default_factory=lambda: ["SUCCEEDED"])
    login: tuple[str, str] | None = None
    workflows: list[str] | None = field(default_factory=lambda: [manifest()])
    logs: dict[str, str] = field(default_factory=dict)
    version: str | None = "2.17.0"
    experiments: list[str] = field(default_factory=lambda: ["AutoNAD"])
    taken: int = 0

    def sent(self, method: str, path: str) -> list[Request]:
        return [one for one in self.requests if (one.method, one.path) == (method, BASE + path)]


class ConflictError(Exception):
    """What was to be made is there already."""


def next_of(answers: list[Any]) -> Any:
    """One answer after another; the last one stays."""
    return answers.pop(0) if len(answers) > 1 else answers[0]


def check_model(value: Any, kind: str, where: str = "") -> None:
    """Raise ValueError where a JSON value is not what a model of the API takes."""
    if match := re.fullmatch(r"(list|dict)[\[(](?:str, )?(.+?)[\])]", kind):
        items = value.items() if match[1] == "dict" else enumerate(value)
        for key, inner in items:
            check_model(inner, match[2], f"{where}.{key}")
        return
    model = getattr(kfp_server_api, kind, None)
    if model is None or not hasattr(model, "openapi_types"):
        plain = {"str": str, "int": int, "float": (int, float), "bool": bool, "datetime": str}.get(
            kind, object
        )
        if where.endswith(INT64):  # protobuf's JSON takes both spellings of a 64-bit integer
            plain = (str, int)
        if not isinstance(value, plain):
            raise ValueError(f"{where} is {value!r}, not {kind}")
        return
    if model.openapi_types == {} or kind.startswith("Protobuf"):
        return
    if hasattr(model, "allowable_values") and isinstance(value, str):
        if value not in model.allowable_values:
            raise ValueError(f"{where} is {value!r}")
        return
    names = {json_name: name for name, json_name in model.attribute_map.items()}
    for json_name, inner in value.items():
        if json_name not in names:
            raise ValueError(f"{where}.{json_name} is unknown to {kind}")
        if inner is not None:
            check_model(inner, model.openapi_types[names[json_name]], f"{where}.{json_name}")


@contextmanager
def kubeflow_stub() -> Iterator[Stub]:
    """Start the server on a port of its own."""
    stub = Stub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def answer(self, content: Any, status: int = 200) -> None:
            body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            raw = self.rfile.read(int(headers.get("content-length", 0)))
            request = Request(self.command, parts.path, query, headers)
            stub.requests.append(request)
            if headers.get("content-type", "").startswith("multipart/"):
                kind = f"Content-Type: {headers['content-type']}\r\n\r\n".encode()
                (part,) = message_from_bytes(kind + raw).get_payload()
                request.package = part.get_payload(decode=True).decode()
            elif raw:
                request.body = json.loads(raw)
            if stub.login is not None and headers.get(stub.login[0]) != stub.login[1]:
                self.answer({"error": "Unauthenticated"}, 401)
                return
            try:
                self.answer(respond(stub, request))
            except ValueError as error:
                self.answer({"error_message": str(error)}, 400)
            except ConflictError as error:
                self.answer({"error": str(error), "code": 6}, 409)
            except KeyError:
                self.answer({"error_message": f"{parts.path} was not found"}, 404)

        do_GET = do_POST = handle_any

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.host = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def respond(stub: Stub, request: Request) -> Any:
    """The API's answer; ValueError for a body that it would refuse, KeyError for what it does not know."""
    match request.method, request.path.removeprefix(BASE):
        case "GET", "/healthz":
            return {"multi_user": False}
        case "GET", "/pipelines":
            wanted = json.loads(request.query["filter"])["predicates"][0]["stringValue"]
            found = stub.pipelines.get((request.query.get("namespace", ""), wanted))
            return {"pipelines": [{"pipeline_id": found, "display_name": wanted}]} if found else {}
        case "POST", "/pipelines/upload":
            stub.pipelines[request.query.get("namespace", ""), request.query["name"]] = "pipeline-1"
            return {"pipeline_id": "pipeline-1", "display_name": request.query["name"]}
        case "POST", "/pipelines/upload_version":
            return {"pipeline_id": request.query["pipelineid"], "pipeline_version_id": "version-1"}
        case "GET", "/experiments":
            (wanted,) = json.loads(request.query["filter"])["predicates"]
            name = wanted.get("stringValue") or wanted["string_value"]
            there = [{"experiment_id": "experiment-1", "display_name": name}]
            return {"experiments": there} if name in stub.experiments else {}
        case "POST", "/experiments":
            name = request.body["display_name"]
            if stub.taken:
                stub.taken -= 1
                if not stub.taken:
                    stub.experiments.append(name)
                raise ConflictError(f"Already exist error: experiment {name}")
            stub.experiments.append(name)
            return {"experiment_id": "experiment-1", "display_name": name}
        case "POST", "/runs":
            check_model(request.body, "V2beta1Run", "run")
            return {"run_id": "run-1", "experiment_id": request.body["experiment_id"]}
        case "POST", "/recurringruns":
            check_model(request.body, "V2beta1RecurringRun", "recurring_run")
            return {"recurring_run_id": "schedule-1"}
        case "GET", "/runs":
            return {"runs": [run_of("run-2", "RUNNING"), run_of("run-1", "SUCCEEDED")]}
        case "GET", "/runs/run-1":
            return run_of("run-1", next_of(stub.states))
    if request.path.startswith("/apis/v1beta1/runs/") and stub.workflows is not None:
        return {"run": {"id": "run-1"}, "pipeline_runtime": {"workflow_manifest": next_of(stub.workflows)}}
    if request.path == "/apis/v1beta1/healthz" and stub.version is not None:
        return {"commit_sha": "ab", "tag_name": stub.version, "multi_user": False}
    if request.path == "/k8s/pod/logs":
        return stub.logs[request.query["podname"]]
    raise KeyError(request.path)


def run_of(run_id: str, state: str) -> dict[str, Any]:
    found: dict[str, Any] = {"run_id": run_id, "display_name": f"the {run_id}", "state": state}
    found["created_at"] = "2025-06-01T10:00:00Z"
    if state == "CANCELED":
        found["state_history"] = [{"state": one} for one in ("RUNNING", "CANCELING", "CANCELED")]
    return found | ({"error": {"code": 9, "message": "no space"}} if state == "FAILED" else {})
