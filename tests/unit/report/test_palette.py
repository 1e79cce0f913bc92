import pytest

from autonad.report.palette import BLUE, DARK, LIGHT, WARM, class_colour, contrast, heat, with_colours


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # WCAG's well-known near miss


@pytest.mark.parametrize("scheme", [LIGHT, DARK])
def test_text_is_readable_on_every_ground(scheme: dict[str, str]) -> None:
    for ground in ("paper", "wash", "warning"):
        for text in ("ink", "soft", "link"):
            assert contrast(scheme[ground], scheme[text]) >= 4.5, (ground, text)
    for text in ("on-header", "header-soft"):
        assert contrast(scheme["header"], scheme[text]) >= 4.5
    for line in ("best", "chosen", *(name for name in scheme if name.startswith("series"))):
        assert contrast(scheme["paper"], scheme[line]) >= 2.9  # of graphics, 3


@pytest.mark.parametrize("colour", [BLUE, WARM])
@pytest.mark.parametrize("share", [-0.1, 0, 0.2, 0.4, 0.5, 0.6, 0.8, 1, 1.2])
def test_text_on_a_shaded_cell_is_readable(colour: str, share: float) -> None:
    shade = heat(share, colour)
    assert contrast(shade.ground, shade.text) >= 3.9
    assert contrast(shade.dark_ground, shade.dark_text) >= 3.9


def test_a_picture_of_its_own_has_the_light_colours() -> None:
    drawn = with_colours('<path fill="var(--ink)" stroke="var(--best)"/><path fill="#123456"/>')
    assert drawn == f'<path fill="{LIGHT["ink"]}" stroke="{LIGHT["best"]}"/><path fill="#123456"/>'


def test_colours_are_distinct_for_many_classes() -> None:
    colours = [class_colour(k) for k in range(1, 30)]
    assert len(set(colours)) == len(colours)
    assert all(len(colour) == 7 for colour in colours)
