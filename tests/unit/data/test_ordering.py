import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from autonad.data.histogram import count_values
from autonad.data.ingest.ordering import Bounded, in_order


def test_results_come_in_the_order_of_the_items() -> None:
    with ThreadPoolExecutor(3) as pool:
        assert list(in_order(pool, lambda n: n * n, range(1000))) == [n * n for n in range(1000)]
        assert list(in_order(pool, str, [])) == []


def test_work_stays_close_to_whoever_takes_the_results() -> None:
    called = []
    with ThreadPoolExecutor(2) as pool:
        results = in_order(pool, called.append, range(10_000))
        for _ in range(100):
            next(results)
        results.close()
    assert 100 <= len(called) < 400


def test_an_error_is_raised_and_ends_the_work() -> None:
    called, lock = [], threading.Lock()

    def work(n: int) -> int:
        with lock:
            called.append(n)
        if n == 40:
            raise ValueError("forty")
        return n

    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="forty"):
        list(in_order(pool, work, range(10_000)))
    assert len(called) < 400


@pytest.mark.parametrize("shape", [(0,), (7, 5), (1200, 1100), (30, 20, 3)])
@pytest.mark.parametrize("values", [(0, 255), (0, 1, 2, 3, 255), tuple(range(256))])
def test_values_are_counted(shape: tuple[int, ...], values: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).choice(np.array(values, dtype=np.uint8), shape)
    assert count_values(array).tolist() == np.bincount(array.ravel(), minlength=256).tolist()
    assert count_values(array[::2]).tolist() == np.bincount(array[::2].ravel(), minlength=256).tolist()


def test_a_bounded_queue_never_runs_far_ahead_and_keeps_the_order() -> None:
    begun: list[int] = []
    release = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        release.wait(10)
        return number * 2

    with ThreadPoolExecutor(2) as pool:
        queue = Bounded(pool, work)
        for number in range(128):
            queue.add(number)  # none of these has to wait
        assert len(begun) <= 2
        release.set()
        for number in range(128, 500):
            queue.add(number)
            assert len(queue.under_way) <= 128
        assert queue.results() == [number * 2 for number in range(500)]


def test_a_bounded_queue_raises_what_its_function_raises() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    with ThreadPoolExecutor(2) as pool:
        queue = Bounded(pool, work)
        for number in range(6):
            queue.add(number)
        with pytest.raises(ValueError, match="three"):
            queue.results()
        queue.cancel()
