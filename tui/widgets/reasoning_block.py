"""A model's reasoning, folded into one line."""

from __future__ import annotations

import time
from collections.abc import Callable

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from tui.sanitize import TextCleaner, one_line
from tui.widgets.laid_out_once import LaidOutOnce
from tui.widgets.streaming_markdown import StreamingMarkdown

_SHOWN_TAIL = 400
"""Characters of the last line that can be seen while the reasoning goes on."""


class ReasoningBlock(Vertical, LaidOutOnce, can_focus=True):
    """One line that says how long the model reasoned; Enter or a click unfolds the text."""

    BINDINGS = [
        Binding(
            "enter,space",
            "unfold",
            "Unfold reasoning",
            show=False,
            id="reasoning.toggle",
            tooltip="Show or hide the model's reasoning",
        )
    ]

    is_expanded: reactive[bool] = reactive(False, init=False)

    class Toggled(Message):
        """The reasoning was folded or unfolded."""

        def __init__(self, block: ReasoningBlock, is_expanded: bool) -> None:
            super().__init__()
            self.block = block
            self.is_expanded = is_expanded

        @property
        def control(self) -> ReasoningBlock:
            return self.block

    def __init__(
        self,
        text: str = "",
        *,
        token_count: int = 0,
        duration_s: float | None = None,
        is_finished: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._started_s = clock()
        self._cleaner = TextCleaner()
        self._header = Static(markup=False, classes="header")
        self._body: StreamingMarkdown | None = None
        self.source = self._cleaner.clean(text)
        self.token_count = token_count
        self.duration_s = duration_s
        self.is_finished = is_finished
        self._update_header()

    def compose(self) -> ComposeResult:
        yield self._header

    def append(self, text: str, token_count: int = 0) -> None:
        """More reasoning, of `token_count` tokens."""
        clean = self._cleaner.clean(text)
        self.source += clean
        self.token_count += token_count
        if self._body:
            self._body.append(clean)
        self._update_header()

    def finish(self) -> None:
        """The reasoning has ended."""
        if self.is_finished:
            return
        self.is_finished = True
        self.duration_s = self._clock() - self._started_s
        if self._body:
            self._body.finish()
        self._update_header()

    def action_unfold(self) -> None:
        """Unfold or fold the reasoning."""
        self.is_expanded = not self.is_expanded

    def on_click(self, event: events.Click) -> None:
        if event.widget is self._header:
            event.stop()
            self.action_unfold()

    def watch_is_expanded(self, is_expanded: bool) -> None:
        if is_expanded and self._body is None:
            self._body = StreamingMarkdown(classes="body")
            self._body.append(self.source)
            if self.is_finished:
                self._body.finish()
            self.mount(self._body)
        if self._body:
            self._body.display = is_expanded
        self._update_header()
        self.post_message(self.Toggled(self, is_expanded))

    def _update_header(self) -> None:
        arrow = "▾ " if self.is_expanded else "▸ "
        title = Content(f"{arrow}{self._title()}")
        if not self.is_finished and not self.is_expanded:
            last_line = one_line(self.source.rstrip().rpartition("\n")[2][-_SHOWN_TAIL:])
            title += Content.styled(f"  {last_line}", "dim")
        self._header.update(title, layout=False)

    def _title(self) -> str:
        if not self.is_finished:
            return f"Reasoning… {self.token_count:,} tokens" if self.token_count else "Reasoning…"
        if self.duration_s is None:
            return "Reasoning"
        return f"Reasoned for {self.duration_s:.1f} s"
