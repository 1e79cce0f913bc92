import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from html_page import EVIL, Page, assert_stands_alone
from screens import Screens
from toy_split import oracle, toy_split

from autonad.errors import StorageError
from autonad.evaluation.predict import evaluate_network
from autonad.report.evaluation import ReportContent, render_page, write_page
from autonad.report.panels import collect_panels
from autonad.report.tables import prior_tables
from autonad.space import EDGES, SamplingPrior, SearchSpace


@pytest.fixture(scope="module")
def content() -> ReportContent:
    rng, split = np.random.default_rng(0), toy_split()

    def forward(images: np.ndarray) -> np.ndarray:
        return oracle(images) + np.random.default_rng(1).standard_normal((len(images), 4, 64, 64)) * 5

    result = evaluate_network(forward, split.data, split.dataset, batch_size=4, num_classes=4)
    per_image = result.per_image()
    space = SearchSpace.preset("tiny")
    architecture = space.sample(rng)
    population = pd.DataFrame(
        {
            "generation": np.repeat([1, 2, 3], 5),
            "key": [architecture.key, *(f"key{n}" for n in range(14))],
            "miou": rng.random(15),
            "latency_ms": rng.random(15) + 1,
            "score": rng.random(15),
        }
    )
    history = pd.DataFrame(
        {"epoch": [1, 2, 3], "train/loss": [1.0, 0.7, 0.5], "val/miou": [0.2, np.nan, 0.4]}
    )
    names = [mixer.name for mixer in space.mixers]
    prior = SamplingPrior(
        blocks={
            (stage, 0): dict(zip(names, rng.dirichlet(np.ones(len(names))), strict=True))
            for stage in range(4)
        },
        edges={edge: {"conv1x1": 0.75, "conv3x3": 0.25} for edge in EDGES},
    )
    return ReportContent(
        title="Toy",
        metrics=result.metrics(resamples=100),
        panels=collect_panels(forward, split.data, split.dataset, per_image),
        architecture=architecture,
        prior=prior,
        population=population,
        history=history,
        highlights=[("Latency", "4.1 ms", "median")],
        provenance={"Dataset": {"fingerprint": "ab12", "seed": None}},
    )


@pytest.fixture(scope="module")
def page(content: ReportContent) -> str:
    return render_page(content)


def _replace(content: ReportContent, **changes: Any) -> ReportContent:
    return ReportContent(**{**content.__dict__, **changes})


def test_the_page_stands_alone(content: ReportContent, tmp_path: Path) -> None:
    write_page(tmp_path / "report.html", content)
    text = (tmp_path / "report.html").read_text()
    assert len(text) < 1_500_000
    assert_stands_alone(text)
    assert "http" not in re.sub(r"data:image/[^\"]*", "", text)


def test_links_lead_to_sections_and_names_are_unique(content: ReportContent, page: str) -> None:
    tree = Page(page)
    names = [attributes["id"] for _, attributes in tree.tags if "id" in attributes]
    assert len(names) == len(set(names))
    sections = [attributes["id"] for attributes in tree.named("section")]
    assert [link["href"] for link in tree.named("a")] == [f"#{name}" for name in sections]
    assert len(sections) == 10


def test_figures_agree_with_the_metrics(content: ReportContent, page: str) -> None:
    text = Page(page).text.replace("\N{NO-BREAK SPACE}", " ")
    score, interval = content.metrics["input"], content.metrics["intervals"]["input"]["miou"]
    assert f"{100 * score['miou']:.1f} %" in text
    assert f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f} %" in text
    assert f"{100 * content.metrics['native']['mf1']:.2f} %" in text
    for row in score["confusion"]:
        for count in row:
            assert f"{count:,}" in text
    for entry in score["classes"].values():
        assert f"{entry['support']:,}" in text
        assert f"{100 * entry['precision']:.1f} %" in text
    assert "4.1 ms" in text
    assert "ab12" in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


def test_it_can_be_read_without_seeing(content: ReportContent, page: str) -> None:
    tree = Page(page)
    assert tree.named("html") == [{"lang": "en"}]
    for picture in tree.named("img"):
        assert (picture["alt"] or "").strip()
    assert len(tree.named("img")) == 3 * len(content.panels)
    for header in tree.named("th"):
        assert header["scope"] in ("col", "row")
    assert len(tree.named("caption")) == len(tree.named("table"))
    drawings = tree.named("svg")
    assert len(drawings) == 7  # the architecture, the front twice, the search's progress, the training
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert (drawing["aria-label"] or "").strip()
    assert content.architecture is not None
    for stage in content.architecture.stages:
        assert f"{stage.width} channels" in tree.text


def test_everything_is_escaped(content: ReportContent, page: str) -> None:
    harmless = len(Page(page).tags)
    metrics = dict(content.metrics)
    names = [EVIL if name == "crack" else name for name in metrics["classes"]]
    for size in ("input", "native"):
        classes = {
            (EVIL if name == "crack" else name): entry for name, entry in metrics[size]["classes"].items()
        }
        metrics[size] = {**metrics[size], "classes": classes}
    level = dict(metrics["image_level"])
    level["misses_by_class"] = {EVIL if k == "crack" else k: v for k, v in level["misses_by_class"].items()}
    metrics |= {"classes": names, "image_level": level}
    metrics["input"] = {**metrics["input"], "skipped_classes": [EVIL]}
    panels = [type(panel)(**{**panel.__dict__, "name": EVIL, "reason": EVIL}) for panel in content.panels]
    text = render_page(
        _replace(
            content,
            metrics=metrics,
            title=EVIL,
            subtitle=EVIL,
            highlights=[(EVIL,) * 3],
            panels=panels,
            provenance={EVIL: {EVIL: EVIL}},
            prior=SamplingPrior({(0, 0): {EVIL: 1.0}}, {}),
            population=None,
            history=None,
        )
    )
    tree = Page(text)
    assert "<script" not in text
    assert not tree.named("script")
    assert "alert(" in tree.text  # shown, as text
    assert len(tree.tags) < harmless + 10


def test_what_is_absent_is_left_out(content: ReportContent) -> None:
    page = Page(render_page(ReportContent(title="Toy", metrics=content.metrics)))
    assert [attributes["id"] for attributes in page.named("section")] == [
        "summary",
        "classes",
        "images",
        "line",
    ]
    empty = _replace(
        content, prior=SamplingPrior(), population=content.population.iloc[:0], history=pd.DataFrame()
    )
    sections = {attributes["id"] for attributes in Page(render_page(empty)).named("section")}
    assert not {"prior", "search", "training"} & sections


def test_skipped_classes_missing_intervals_and_missing_rates_are_said_in_words(
    content: ReportContent,
) -> None:
    metrics = dict(content.metrics)
    none = {"count": 0, "of": 0, "rate": None}
    silent = dict.fromkeys(("misses", "false_alarms_clean", "false_alarms_defect"), none)
    metrics["image_level"] = {**metrics["image_level"], **silent}
    metrics["intervals"] = {
        size: dict.fromkeys(("miou", "mf1", "foreground_miou")) for size in ("input", "native")
    }
    metrics["input"] = {**metrics["input"], "skipped_classes": ["crack"], "foreground_miou": None}
    text = Page(render_page(ReportContent(title="Toy", metrics=metrics))).text
    assert "in no average: crack" in text
    assert "too few groups" in text
    assert "no defect images in this split" in text
    assert "no defect is labelled or predicted" in text
    assert "None" not in text


def test_equal_content_gives_equal_bytes(content: ReportContent, page: str) -> None:
    assert render_page(content) == page


def test_a_full_disk_leaves_the_previous_report(
    content: ReportContent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "report.html").write_text("the previous one")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match="No space left"):
        write_page(tmp_path / "report.html", ReportContent(title="Toy", metrics=content.metrics))
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == "the previous one"


def test_it_fits_every_screen_and_paper(page: str, screens: Screens) -> None:
    screens.check(page)


def test_a_prior_without_a_preference_is_not_shaded(content: ReportContent) -> None:
    names = ["attention", "convolution3", "convolution5", "shift"]
    shares = dict(zip(names, (1 / 3, 1 / 6, 1 / 6, 1 / 3), strict=True))
    uniform = SamplingPrior({(stage, 0): shares for stage in range(4)}, {})
    [table] = prior_tables(uniform)
    assert "uniform" in table.caption
    assert [cell.heat for _, cells in table.rows for cell in cells] == [None] * 16
    faster = {**shares, "attention": 0.6, "shift": 1 / 15}
    [table] = prior_tables(SamplingPrior({(0, 0): faster}, {}))
    heats = {name: cells[0].heat for name, cells in table.rows}
    assert heats["attention"] is not None
    assert heats["shift"] is not None
    assert heats["attention"].ground != heats["shift"].ground
    assert heats["convolution 3×3"] is None
