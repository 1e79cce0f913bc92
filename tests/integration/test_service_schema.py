"""The service keeps what its OpenAPI says, for requests that nobody would write by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from dark_detector import export_dark, surface
from hypothesis import HealthCheck, settings
from live_service import Live, live, png, service_of
from schemathesis.specs.openapi.checks import positive_data_acceptance

from autonad.service.limits import Limits

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    model = export_dark(tmp_path_factory.mktemp("model") / "model.onnx")
    with live(service_of(model, limits=Limits(megabytes=1))) as service:
        yield service
        good = service.ask("POST", "/detect", png(surface((10, 20, 14, 50))), Content_Type="image/png")
        assert good.json()["verdict"] == "NG"


@pytest.fixture(scope="module")
def described(service: Live) -> Any:
    return schemathesis.openapi.from_url(f"{service.address}/openapi.json")


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_answers_are_as_described(case: Any) -> None:
    # No schema says which bytes are an image: most that are drawn are none, and rightly refused.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])


def test_every_route_is_described(service: Live) -> None:
    document = service.ask("GET", "/openapi.json").json()

    assert document["paths"].keys() == {"/detect", "/health", "/ready", "/version", "/rules", "/metrics"}
    (detect,) = document["paths"]["/detect"].values()
    assert {"200", "400", "408", "413", "415", "422", "429", "503"} == detect["responses"].keys()
    assert {"application/json", "image/png"} == detect["responses"]["200"]["content"].keys()
