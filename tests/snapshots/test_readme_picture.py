from __future__ import annotations

import pytest

from tests.snapshots.readme_picture import PICTURES, as_png, for_browsers, take


@pytest.fixture
async def svg() -> str:
    return await take(next(p for p in PICTURES if p.options.engine == "scripted"))


async def test_the_picture_shows_the_conversation_and_needs_no_network(svg: str) -> None:
    shown = for_browsers(svg)

    assert "url(http" not in shown
    assert "tokens" in shown and "tok/s" in shown


async def test_the_picture_can_be_drawn(svg: str) -> None:
    try:
        png = as_png(svg)
    except OSError:
        pytest.skip("the cairo library is not installed")
    assert png.startswith(b"\x89PNG")
