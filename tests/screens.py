"""Pages as a browser lays them out: on every screen, in both colour schemes, and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cockpit import PATIENCE, chromium

WIDTHS = (390, 768, 1024, 1400, 1920)
PAPER = 688  # pixels of A4 between its margins

# What lies to the right of the screen, or of the box that it would have to be scrolled in.
_OUTSIDE = """() => {
  const width = document.documentElement.clientWidth;
  const name = e => e.tagName.toLowerCase() + '.' + (e.getAttribute('class') || '');
  const found = document.documentElement.scrollWidth > width ? ['the page itself'] : [];
  for (const e of document.querySelectorAll('body *')) {
    const box = e.getBoundingClientRect();
    if (e.closest('svg') && e.tagName !== 'svg') continue;
    if (box.width > 0 && box.right > width + 0.5 && !e.closest('thead')) found.push(name(e));
    const scrolls = e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'auto';
    if (scrolls) found.push(name(e) + ' scrolls');
  }
  return [...new Set(found)];
}"""
# Text of a chart that lies on other text of it, or outside of it.
_OVERLAPS = """() => {
  const found = [];
  for (const svg of document.querySelectorAll('svg')) {
    const frame = svg.getBoundingClientRect();
    if (!frame.width) continue;
    const all = [...svg.querySelectorAll('text')];
    const texts = all.map(e => [e.textContent.trim(), e.getBoundingClientRect()]);
    for (const [i, [a, p]] of texts.entries()) {
      if (p.left < frame.left - 2 || p.right > frame.right + 2) found.push(a + ' leaves its chart');
      for (const [b, q] of texts.slice(i + 1)) {
        const across = Math.min(p.right, q.right) - Math.max(p.left, q.left);
        const along = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
        if (across > 1 && along > 3) found.push(a + ' lies on ' + b);
      }
    }
  }
  return found;
}"""


class Screens:
    """A browser without a network that opens pages from their text."""

    def __init__(self, page: Any) -> None:
        self._page = page

    def check(self, text: str) -> None:
        """Nothing lies outside of a screen or of paper, no label on another, each scheme has its ground."""
        asked: list[str] = []
        self._page.on("request", lambda request: asked.append(request.url))
        self._page.set_content(text)
        for width in WIDTHS:
            self._page.set_viewport_size({"width": width, "height": 900})
            outside = set(self._page.evaluate(_OUTSIDE))
            assert not outside, (width, outside)
            overlaps = self._page.evaluate(_OVERLAPS)
            assert not overlaps, (width, overlaps)
        grounds = set()
        for scheme in ("light", "dark"):
            self._page.emulate_media(color_scheme=scheme)
            grounds.add(self._page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert len(grounds) == 2
        self._page.set_viewport_size({"width": PAPER, "height": 900})
        self._page.emulate_media(media="print", color_scheme="dark")
        assert self._page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        outside = set(self._page.evaluate(_OUTSIDE))
        assert not outside, ("paper", outside)
        self._page.emulate_media(media="screen", color_scheme="light")
        assert [url for url in asked if not url.startswith("data:")] == []


@contextmanager
def opened() -> Iterator[Screens]:
    """The browser, for several pages."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Root's browser has no sandbox of its own.
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            page = browser.new_page(offline=True)
            page.set_default_timeout(PATIENCE * 1000)
            yield Screens(page)
        finally:
            browser.close()
