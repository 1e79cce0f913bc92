import pytest

from autonad.cores import usable_cores
from autonad.deploy.speed import exporting_machine
from autonad.latency.target import Target


@pytest.mark.parametrize("threads", [1, usable_cores(), 1000])
def test_a_file_is_timed_with_the_threads_of_the_target(threads: int) -> None:
    found = exporting_machine({"target_threads": threads})
    assert found.threads == min(threads, usable_cores())
    target = Target.describe("line", threads=found.threads)
    assert found.hardware_key == target.hardware_key  # so that both latencies are of one target


def test_without_a_target_all_cores_are_used() -> None:
    assert exporting_machine({}).threads == usable_cores()
