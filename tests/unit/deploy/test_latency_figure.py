from autonad.deploy.latency_figure import describe_latency, target_latency

MEASURED = {"hardware_key": "line", "target_ms": 4.0, "target_latency": "measured"}
PREDICTED = {**MEASURED, "target_latency": "predicted"}
ON_LINE, ELSEWHERE = ({"hardware_key": key, "median_ms": 5.0} for key in ("line", "office"))


def test_what_the_search_measured_on_the_target_comes_before_all_else() -> None:
    assert target_latency(MEASURED, ON_LINE, "line") == 4.0
    assert target_latency(MEASURED, ELSEWHERE, "line") == 4.0


def test_a_measurement_of_the_file_comes_before_a_prediction() -> None:
    assert target_latency(PREDICTED, ON_LINE, "line") == 5.0
    assert target_latency(PREDICTED, ELSEWHERE, "line") == 4.0


def test_nothing_is_said_of_another_target() -> None:
    assert target_latency(MEASURED, ELSEWHERE, "board") is None
    assert target_latency(MEASURED, ELSEWHERE, "office") == 5.0
    assert target_latency({}, ELSEWHERE, None) is None


def test_the_target_comes_first_and_the_exported_file_says_its_threads() -> None:
    exported = {**ELSEWHERE, "target": {"threads": 1}}
    searched = {**MEASURED, "target": "line-3"}
    told = describe_latency(searched, exported)
    assert told == "4.00 ms on line-3; 5.00 ms median where it was exported, with 1 thread"
    alone = describe_latency({}, {**exported, "target": {"threads": 4}})
    assert alone == "5.00 ms median where it was exported, with 4 threads"
