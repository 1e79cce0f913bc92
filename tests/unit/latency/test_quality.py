from collections.abc import Sequence
from pathlib import Path

import pytest

from autonad.cores import Throttling, cpu_quota, throttling
from autonad.errors import LatencyError
from autonad.latency import machine, quality
from autonad.latency.machine import CpuTime
from autonad.latency.quality import (
    Evidence,
    Quality,
    allowed_load,
    best_of,
    check_threads,
    disagreement,
    faults_of,
    load_of_others,
    throttled_share,
)
from autonad.latency.target import Target

GOOD = Quality(
    threads=2,
    cores=2.0,
    load_before=0.05,
    load=0.1,
    throttled=None,
    disagreement=0.04,
    drift=0.05,
    error=0.04,
    rank_correlation=0.98,
    attempts=1,
    faults=(),
)


def with_(**changes: object) -> Quality:
    return GOOD.model_copy(update=changes)


def test_the_limit_of_both_control_group_versions_is_read(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("4:memory:/pod\n2:cpu,cpuacct:/pod\n0::/\n")
    first = tmp_path / "v1/cpu"
    first.mkdir(parents=True)
    (first / "cpu.cfs_quota_us").write_text("150000\n")
    (first / "cpu.cfs_period_us").write_text("100000\n")
    (first / "cpu.stat").write_text("nr_periods 40\nnr_throttled 10\nthrottled_time 123\n")
    assert cpu_quota(tmp_path / "v1", own) == 1.5
    assert throttling(tmp_path / "v1", own) == Throttling(40, 10)
    (first / "cpu.cfs_quota_us").write_text("-1\n")
    assert cpu_quota(tmp_path / "v1", own) is None
    assert throttling(tmp_path / "v1", own) is None

    second = tmp_path / "v2"
    (second / "slice/unit").mkdir(parents=True)
    own.write_text("0::/slice/unit\n")
    (second / "slice/unit/cpu.max").write_text("max 100000\n")
    (second / "slice/cpu.max").write_text("200000 100000\n")
    (second / "slice/cpu.stat").write_text("usage_usec 5\nnr_periods 8\nnr_throttled 2\n")
    assert cpu_quota(second, own) == 2.0
    assert throttling(second, own) == Throttling(8, 2)
    assert cpu_quota(tmp_path / "none", tmp_path / "missing") is None


def test_processor_time_is_the_machines_and_ours(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 50 9000 70 0 25 25 40 0\ncpu0 1 2 3\n")
    ticks = machine.os.sysconf("SC_CLK_TCK")
    found = machine.cpu_time(stat)
    assert found is not None
    assert found.busy == pytest.approx(200 / ticks)
    stat.write_text("nothing\n")
    assert machine.cpu_time(stat) is None


def test_the_load_of_others_leaves_our_own_out() -> None:
    before, after = CpuTime(100.0, 5.0, 0.0), CpuTime(118.0, 13.0, 10.0)
    assert load_of_others(before, after) == pytest.approx(1.0)
    assert load_of_others(before, CpuTime(104.0, 13.0, 10.0)) == 0.0
    assert load_of_others(None, after) is None
    assert throttled_share(Throttling(10, 1), Throttling(110, 21)) == pytest.approx(0.2)
    assert throttled_share(Throttling(10, 1), Throttling(10, 1)) == 0.0
    assert throttled_share(None, None) is None


@pytest.mark.parametrize(
    ("threads", "cores", "allowed"), [(1, 2, 0.25), (2, 2, 0.25), (1, 4, 1.25), (2, 64, 30.25)]
)
def test_others_may_use_what_the_threads_leave(threads: int, cores: int, allowed: float) -> None:
    assert allowed_load(threads, cores) == allowed


def test_a_quiet_machine_is_good_and_a_busy_core_beside_it_is_named() -> None:
    assert faults_of(GOOD, 2) == []
    assert faults_of(with_(load=None, disagreement=None, error=None, rank_correlation=None), 2) == []
    (busy,) = faults_of(with_(threads=1, load=1.0), 2)
    assert "1.0 of the machine's 2 cores busy" in busy
    assert faults_of(with_(load=20.0), 64) == []
    (limit,) = faults_of(with_(throttled=0.4), 2)
    assert "40 %" in limit
    assert faults_of(with_(throttled=0.04), 2) == []
    (drift,) = faults_of(with_(disagreement=0.35), 2)
    assert "35 %" in drift


def test_a_table_that_predicts_no_network_is_named() -> None:
    wrong = faults_of(with_(error=0.39, rank_correlation=0.54), 2)
    assert "error of 39 %" in wrong[0]
    assert "rank correlation 0.54" in wrong[1]
    (drifted,) = faults_of(with_(drift=0.5), 2)
    assert "changed its speed by 50 %" in drifted
    close = faults_of(with_(error=0.1512, rank_correlation=0.7996), 2)
    assert "error of 15.1 %; at most 15 %" in close[0]
    assert "rank correlation 0.7996; at least 0.80" in close[1]


def test_disagreement_is_that_of_the_typical_network() -> None:
    assert disagreement([[1.0, 1.1, 1.0], [2.0, 2.0, 2.1], [5.0, 50.0, 5.0]]) == pytest.approx(0.1)
    # The same detector in three pods of one cluster.
    assert disagreement([[2.48, 4.22, 5.12]]) == pytest.approx(2.64 / 4.22)
    assert disagreement([]) is None
    assert disagreement([[1.0]]) is None


@pytest.mark.parametrize(("threads", "cores", "quota"), [(4, 2, None), (2, 2, 1.5), (1, 1, 0.5)])
def test_threads_without_a_core_each_are_refused(
    monkeypatch: pytest.MonkeyPatch, threads: int, cores: int, quota: float | None
) -> None:
    target = Target.describe("x", threads=1).model_copy(update={"threads": threads})
    monkeypatch.setattr(quality, "usable_cores", lambda: cores)
    monkeypatch.setattr(quality, "cpu_quota", lambda: quota)
    with pytest.raises(LatencyError, match=f"{threads} threads?, and this process has {cores} core"):
        check_threads(target)
    monkeypatch.setattr(quality, "usable_cores", lambda: 8)
    monkeypatch.setattr(quality, "cpu_quota", lambda: 4.0)
    check_threads(target)


class Machine:
    """A machine on which measuring takes a second, beside others who keep some cores busy."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, loads: Sequence[float]) -> None:
        self.now, self.busy, self.measured, self.slept = 0.0, 0.0, 0, list[float]()
        self.loads = loads
        monkeypatch.setattr(machine, "cpu_time", lambda: CpuTime(self.busy, 0.0, self.now))
        monkeypatch.setattr(quality, "machine_cores", lambda: 2)
        monkeypatch.setattr(quality, "usable_cores", lambda: 2)
        monkeypatch.setattr(quality, "cpu_quota", lambda: None)
        monkeypatch.setattr(quality, "throttling", lambda: None)
        monkeypatch.setattr(quality.time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def measure(self) -> tuple[int, Evidence]:
        load = self.loads[self.measured]
        self.measured += 1
        self.now, self.busy = self.now + 1.0, self.busy + load
        return self.measured, Evidence([[1.0, 1.0 + load, 1.0]])


@pytest.mark.parametrize(
    ("loads", "accept", "kept", "faults", "attempts"),
    [
        ((0.0,), False, 1, 0, 1),
        ((1.0, 0.0), False, 2, 0, 2),
        ((1.0, 1.0), False, 2, 2, 2),
        ((0.2, 1.0), False, 1, 1, 2),
        ((1.0, 1.9), False, 1, 2, 2),
        ((1.9, 1.0), False, 2, 2, 2),
        ((1.0,), True, 1, 2, 1),
    ],
)
def test_what_is_bad_is_measured_once_more_and_the_better_one_counts(
    monkeypatch: pytest.MonkeyPatch,
    loads: Sequence[float],
    accept: bool,
    kept: int,
    faults: int,
    attempts: int,
) -> None:
    there, said = Machine(monkeypatch, loads), list[str]()
    found, how = best_of(there.measure, 1, accept_noise=accept, say=said.append)
    assert (found, len(how.faults), how.attempts, there.measured) == (kept, faults, attempts, len(loads))
    assert (quality.PAUSE_SECONDS in there.slept) == bool(said) == (len(loads) == 2)
