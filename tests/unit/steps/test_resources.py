"""What a person may enter about resources, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from autonad.errors import ConfigError
from autonad.steps.resources import PodResources, quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4", 4.0),
        ("500m", 0.5),
        ("1.5", 1.5),
        ("8Gi", 8 * 2**30),
        ("512Mi", 2**29),
        ("8G", 8e9),
        ("2k", 2000.0),
        ("1Ei", 2**60),
        ("3n", 3e-9),
    ],
)
def test_quantities_are_those_of_kubernetes(text: str, number: float) -> None:
    assert quantity(text) == pytest.approx(number, rel=1e-12)


def test_nothing_entered_gives_small_requests_and_larger_limits() -> None:
    found = PodResources.of({})

    assert quantity(found.cpu) < quantity(found.cpu_limit)
    assert quantity(found.memory) < quantity(found.memory_limit)
    assert (found.accelerator_count, found.node_selector, found.tolerations) == ("0", {}, [])


@pytest.mark.parametrize(
    ("entered", "kept"),
    [
        ({"cpu": 2.0}, {"cpu": "2"}),  # Kubeflow hands numbers out as floats
        ({"cpu": 0.5}, {"cpu": "0.5"}),
        ({"cpu": " 2 "}, {"cpu": "2"}),
        ({"accelerator_count": 2.0}, {"accelerator_count": "2"}),
        ({"memory": 1073741824.0}, {"memory": "1073741824"}),
        ({"node_selector": {"disk": "ssd"}}, {"node_selector": {"disk": "ssd"}}),
        ({"tolerations": [{"key": "gpu", "operator": "Exists"}]}, {}),
    ],
)
def test_what_is_entered_is_kept_as_kubernetes_reads_it(
    entered: dict[str, Any], kept: dict[str, Any]
) -> None:
    found = PodResources.of(entered).model_dump()

    assert found == PodResources().model_dump() | entered | kept


@pytest.mark.parametrize(
    ("entered", "limits"),
    [
        ({"cpu": "6"}, ("6", "8Gi")),
        ({"memory": "16Gi"}, ("4", "16Gi")),
        ({"cpu": "4000m", "memory": "8192Mi"}, ("4", "8Gi")),
    ],
)
def test_a_larger_request_raises_a_limit_that_nobody_entered(
    entered: dict[str, Any], limits: tuple[str, str]
) -> None:
    found = PodResources.of(entered)

    assert (found.cpu_limit, found.memory_limit) == limits


@pytest.mark.parametrize(
    ("entered", "message"),
    [
        ({"cpu": 4, "cpu_limit": 2.0}, "cpu_limit is less than what is requested, 4"),
        ({"memory_limit": "1Gi"}, "memory_limit is less than what is requested, 2Gi"),
        ({"memroy": "4Gi"}, r"memroy is no known key: did you mean memory\?"),
        ({"colour": 1}, "colour is no known key: known are cpu, memory, cpu_limit"),
        ({"cpu": "many"}, "cpu is 'many': write a quantity of Kubernetes, such as 4, 500m, 8Gi"),
        ({"memory": "8 GB"}, "memory is '8 GB': write a quantity"),
        ({"cpu": -1}, "cpu is -1: write a quantity"),
        ({"cpu": True}, "cpu is True: write a quantity"),
        ({"accelerator_count": "0.5"}, "accelerator_count is '0.5': write a whole number"),
        ({"node_selector": {"disk": 1}}, "node_selector.disk is 1"),
        ({"tolerations": {"key": "gpu"}}, "tolerations is"),
        ({"cpu": "x", "memroy": 1}, "cpu is 'x'.*; memroy is no known key"),
    ],
)
def test_faults_are_named_all_at_once(entered: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^resources: .*{message}"):
        PodResources.of(entered)


@pytest.mark.parametrize(("limit", "cores"), [("4", 4), ("2500m", 2), ("1500m", 1), ("1", 1)])
def test_cores_are_whole_and_at_least_one(limit: str, cores: int) -> None:
    assert PodResources.of({"cpu": "500m", "cpu_limit": limit}).cores == cores
    assert PodResources.of({"cpu": "100m", "cpu_limit": "200m"}).cores == 1
