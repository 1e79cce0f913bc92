import gc
import threading
import time
import weakref
from contextlib import closing

import numpy as np
import pytest
import torch

from autonad.errors import DatasetError
from autonad.training.feed import Feed, suitable_threads

CPU = torch.device("cpu")


class Counted:
    """Batches that say what they hold, and when they were made."""

    def __init__(self, broken: int | None = None) -> None:
        self.made: list[tuple[int, tuple[int, ...]]] = []
        self.broken, self.late = broken, -1
        self.arrived, self.gate = threading.Semaphore(0), threading.Event()
        self.gate.set()

    def __len__(self) -> int:
        return 6

    def batch(self, indices, epoch):
        self.gate.wait(timeout=60)
        if self.broken in indices:
            raise DatasetError("image 3 is damaged")
        if self.late in indices:
            time.sleep(0.1)
        self.made.append((epoch, tuple(indices)))
        self.arrived.release()
        values = np.array(indices, dtype=np.int64)
        return (values + 100 * epoch).astype(np.float32), values


def chunks(epoch: int) -> list[list[int]]:
    order = np.random.default_rng(epoch).permutation(6)
    return [order[:2].tolist(), order[2:4].tolist(), order[4:].tolist()]


def contents(feed: Feed, epoch: int) -> list[list[float]]:
    return [images.tolist() for images, _ in feed.epoch(epoch)]


def test_it_gives_what_the_loop_would_have_made_itself():
    feed = Feed(Counted(), chunks, 3, CPU)
    for epoch in range(3):
        expected = [[index + 100.0 * epoch for index in part] for part in chunks(epoch)]
        assert contents(feed, epoch) == expected
    feed.close()


def test_several_threads_change_when_a_batch_is_made_and_not_which_comes_next():
    images = Counted()
    images.late = 0  # the first image: the batches behind it are made before its own
    feed = Feed(images, chunks, 3, CPU, threads=3)
    for epoch in range(3):
        expected = [[index + 100.0 * epoch for index in part] for part in chunks(epoch)]
        assert contents(feed, epoch) == expected
    assert images.made != [(epoch, tuple(part)) for epoch in range(3) for part in chunks(epoch)]
    feed.close()


@pytest.mark.parametrize(
    ("device", "cores", "gpus", "threads"),
    [("cpu", 16, 0, 1), ("cuda", 16, 1, 8), ("cuda", 16, 4, 3), ("cuda", 1, 1, 1)],
)
def test_a_gpu_is_fed_by_its_share_of_the_cores(monkeypatch, device, cores, gpus, threads):
    monkeypatch.setattr("autonad.training.feed.usable_cores", lambda: cores)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert suitable_threads(torch.device(device)) == threads


def test_it_starts_where_a_resumed_run_does():
    feed = Feed(Counted(), chunks, 3, CPU)
    assert contents(feed, 2) == [[index + 200.0 for index in part] for part in chunks(2)]
    feed.close()


def test_the_next_batches_are_made_before_they_are_asked_for_over_the_end_of_an_epoch_too():
    images = Counted()
    feed = Feed(images, chunks, 2, CPU)
    contents(feed, 0)
    assert feed.ahead == 2
    for _ in range(3 + feed.ahead):
        assert images.arrived.acquire(timeout=60)
    assert images.made[3:] == [(1, tuple(part)) for part in chunks(1)[: feed.ahead]]
    feed.close()


def test_it_counts_what_was_there_when_it_was_asked_for():
    images = Counted()
    feed = Feed(images, chunks, 2, CPU)
    images.gate.clear()
    threading.Timer(0.2, images.gate.set).start()
    for _ in feed.epoch(0):
        feed._workers.submit(lambda: None).result()  # Behind the batches that are ordered.
    assert (feed.steps, feed.ready) == (3, 2)
    feed.close()


def test_a_damaged_image_stops_the_run_with_its_own_error():
    feed = Feed(Counted(broken=3), chunks, 1, CPU)
    with pytest.raises(DatasetError, match="image 3 is damaged"):
        contents(feed, 0)
    feed.close()


def test_closing_ends_its_thread():
    feed = Feed(Counted(), chunks, 50, CPU)
    next(feed.epoch(0))
    feed.close()
    assert not any(thread.name.startswith("feed") for thread in threading.enumerate())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_arrive_on_the_gpu_unchanged():
    feed = Feed(Counted(), chunks, 1, torch.device("cuda", 0))
    for (images, labels), part in zip(feed.epoch(0), chunks(0), strict=True):
        assert images.is_cuda
        assert labels.tolist() == part
    feed.close()


def test_images_go_with_their_feed() -> None:
    """A temporary file of gigabytes does not wait until Python collects cycles, as a training is one."""
    images = Counted()
    gone = weakref.ref(images)
    gc.disable()
    try:
        feed = Feed(images, lambda epoch: chunks(epoch) if feed.ahead else [], 2, CPU)
        with closing(feed):
            assert len(list(feed.epoch(0))) == 3
        del images
        assert gone() is None
    finally:
        gc.enable()
