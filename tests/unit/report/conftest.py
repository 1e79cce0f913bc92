from __future__ import annotations

from collections.abc import Iterator

import pytest
from cockpit import chromium
from screens import Screens, opened


@pytest.fixture(scope="session")
def screens() -> Iterator[Screens]:
    """A browser that lays pages out; without one the test is skipped."""
    pytest.importorskip("playwright")
    if chromium() is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    with opened() as found:
        yield found
