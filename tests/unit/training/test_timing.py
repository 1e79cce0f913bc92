import numpy as np
import torch

from autonad.space import Architecture, SearchSpace
from autonad.training.timing import EVERY, LatencyRecords

TINY = SearchSpace.preset("tiny")


def test_every_step_leaves_a_record_on_disk_at_once(tmp_path):
    records = LatencyRecords(tmp_path / "records.jsonl")
    rng = np.random.default_rng(0)
    drawn = [TINY.sample(rng) for _ in range(3)]
    for step, architecture in enumerate(drawn):
        forward = records.timed(lambda x: x + 1, architecture, step)
        assert torch.equal(forward(torch.zeros(2, 3, 4, 5)), torch.ones(2, 3, 4, 5))
        table = LatencyRecords(tmp_path / "records.jsonl").table()
        assert len(table) == step + 1
    assert [Architecture.from_json(text) for text in table["architecture"]] == drawn
    assert (table["ms"] > 0).all()
    assert table[["batch", "height", "width"]].iloc[0].tolist() == [2, 4, 5]


def test_off_the_processor_only_some_steps_are_held_up(tmp_path):
    records, architecture = LatencyRecords(tmp_path / "records.jsonl"), SearchSpace.preset("tiny").smallest()
    images = torch.zeros(1, 3, 8, 8, device="meta")
    for step in range(3 * EVERY):
        assert records.timed(lambda x: x, architecture, step)(images) is images
    assert records.table()["step"].tolist() == [0, EVERY, 2 * EVERY]


def test_a_resumed_run_drops_what_it_will_take_again_and_a_torn_line(tmp_path):
    records = LatencyRecords(tmp_path / "records.jsonl")
    for step in range(5):
        records.timed(lambda x: x, TINY.smallest(), step)(torch.zeros(1, 3, 2, 2))
    with records.path.open("a") as handle:
        handle.write('{"step": 9, "architecture": "{}')
    records.rewind(3)
    assert records.table()["step"].tolist() == [0, 1, 2]
