from autonad.deploy.target_latency import target_latency

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
