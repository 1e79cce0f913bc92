from collections.abc import Callable

import pytest

from autonad.latency import measure
from autonad.latency.profile_settings import ProfileSettings
from autonad.latency.target import Target
from autonad.latency.turns import Plan, Timings, time_plan

TARGET = Target.describe("here", threads=1)
SETTINGS = ProfileSettings(warmup=1, repeats=6, rounds=2, networks=4, network_repeats=9, piece_seconds=9.0)


class Machine:
    """Its clock passes by what calls cost, times how slow the machine has become by then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, slowness: Callable[[int], float]) -> None:
        self.now, self.opened, self.slowness = 0.0, 0, slowness
        monkeypatch.setattr(measure.time, "perf_counter", lambda: self.now)

    def opener(self, ms: float, *, piece: bool = False) -> Callable[[], Callable[[], None]]:
        def open_one() -> Callable[[], None]:
            self.opened += piece

            def run() -> None:
                self.now += ms / 1e3 * self.slowness(self.opened)

            return run

        return open_one

    def time(self) -> Timings:
        plan = Plan(
            nothing=self.opener(0.25),
            reference=self.opener(2.0),
            groups=[[self.opener(1.25, piece=True)], [self.opener(3.25, piece=True)]],
            networks=[self.opener(8.0), self.opener(4.0)],
        )
        return time_plan(plan, TARGET, SETTINGS, lambda what, done, total: None)


def test_a_steady_machine_gives_what_things_cost_without_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    timings = Machine(monkeypatch, lambda opened: 1.0).time()
    assert [one["ms"] for group in timings.groups for one in group] == pytest.approx([1.0, 3.0])
    assert [visits for one in timings.medians for visits in one] == pytest.approx([8.0] * 3 + [4.0] * 3)
    assert timings.drift == pytest.approx(0.0, abs=1e-9)


def test_a_machine_that_slows_down_is_seen_and_corrected(monkeypatch: pytest.MonkeyPatch) -> None:
    # Half as fast once the second group of pieces is opened.
    timings = Machine(monkeypatch, lambda opened: 2.0 if opened == 2 else 1.0).time()
    assert timings.drift == pytest.approx(1.0)
    first, second = (group[0]["ms"] + timings.overhead_ms for group in timings.groups)
    assert second / first == pytest.approx(3.25 / 1.25)
    assert timings.medians[0] == pytest.approx([timings.medians[0][0]] * 3)
    assert timings.medians[0][0] / timings.medians[1][0] == pytest.approx(2.0)
    assert timings.medians[0][0] / first == pytest.approx(8.0 / 1.25)
