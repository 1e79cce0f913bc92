"""A page as a browser's parser sees it, and what every page of the product promises."""

from __future__ import annotations

import re
from html.parser import HTMLParser

EVIL = '<script>alert("x")</script>&\'"'
MOST_BYTES = 2_000_000
"""Of any page: pictures and all, it opens at once and fits into a mail."""
VOID = {"meta", "img", "input", "path", "rect", "circle"}


class Page(HTMLParser):
    """Checks that tags are balanced, and collects what a test asks about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID or (tag in ("path", "rect", "circle") and not self.closes_itself()):
            self.open.append(tag)

    def closes_itself(self) -> bool:
        return (self.get_starttag_text() or "").endswith("/>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def assert_stands_alone(text: str) -> Page:
    """No script, nothing from outside, both colour schemes, print rules, links that lead somewhere."""
    page = Page(text)
    assert len(text.encode()) < MOST_BYTES
    assert not page.named("script")
    assert not page.named("link")
    assert not page.named("iframe")
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href"):
                assert (value or "").startswith(("data:", "#")), value
    assert not re.search(r"url\(\s*[\"']?(?!#)", text)
    assert "@import" not in text
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    sections = [attributes["id"] for attributes in page.named("section")]
    links = [f"#{name}" for name in sections] if len(sections) > 1 else []
    assert [link["href"] for link in page.named("a")] == links
    for used in re.findall(r'(?:xlink:href="|url\()#([^")]+)', text):
        assert used in names
    assert "color-scheme: light;" in text
    assert "@media screen and (prefers-color-scheme: dark)" in text
    assert "@media print" in text
    assert text.count("<style") == 1
    style, body = text.split("</style>")
    assert set(re.findall(r"var\(--([\w-]+)", body)) <= set(re.findall(r"--([\w-]+):", style))
    return page
