"""The line above the prompt: what the app is doing, and short notices."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.timer import Timer
from textual.widget import Widget

NOTICE_S = 8.0


class ActivityLine(Widget):
    """Shows a notice for a few seconds, `activity` and `background` for as long as they are set."""

    DEFAULT_CSS = """
    ActivityLine { height: 1; padding: 0 2; color: $foreground-muted; }
    """
    ALLOW_SELECT = False

    activity: reactive[str] = reactive("")
    notice: reactive[str] = reactive("")
    background: reactive[str] = reactive("")

    _notice_timer: Timer | None = None

    def show_notice(self, text: str, seconds: float = NOTICE_S) -> None:
        """Show `text` in place of an earlier notice."""
        self.notice = text
        if self._notice_timer is not None:
            self._notice_timer.stop()
        self._notice_timer = self.set_timer(seconds, self.clear_notice)

    def clear_notice(self) -> None:
        self.notice = ""

    def render(self) -> Content:
        texts = [
            (self.notice, "$text-warning"),
            (self.activity, "$foreground-muted"),
            (self.background, "$text-accent"),
        ]
        shown = [Content.styled(text, style) for text, style in texts if text]
        line = Content(" · ").join(shown)
        return line.truncate(self.content_size.width, ellipsis=True)
