from __future__ import annotations

import pytest

from tui.widgets.footer_line import fitting_parts


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (40, "Chat · 39 tokens · draft 29 %"),
        (29, "Chat · 39 tokens · draft 29 %"),
        (28, "Chat · 39 tokens"),
        (10, "Chat"),
        (2, "Chat"),
    ],
)
def test_a_part_that_does_not_fit_is_left_out_whole(width: int, line: str) -> None:
    assert fitting_parts(("Chat", "39 tokens", "draft 29 %"), width) == line
