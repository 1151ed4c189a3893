"""F1: every key and what it does."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.bindings import BINDING_GROUPS, HELP_BINDINGS
from tui.widgets.transcript_view import TranscriptView

KEY_WIDTH = 31
TRANSCRIPT_KEYS = ("In the transcript (Shift+Tab goes there)", TranscriptView.BINDINGS)


class HelpScreen(ModalScreen[None]):
    """Lists the keys as they are bound now."""

    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        & > Vertical {
            width: 96%;
            max-width: 90;
            height: auto;
            max-height: 92%;
            border: round $border;
            border-title-color: $text-primary;
            background: $surface;
            padding: 0 1;
        }
        & VerticalScroll { height: auto; scrollbar-size-vertical: 1; }
        & Static { height: auto; padding: 0 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = HELP_BINDINGS

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Keys"
            box.border_subtitle = "Esc closes"
            with VerticalScroll():
                yield Static(self._content(), markup=False)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def _content(self) -> Content:
        lines: list[Content] = []
        for title, bindings in (*BINDING_GROUPS, TRANSCRIPT_KEYS):
            lines.append(
                Content.assemble(("\n" if lines else "", ""), (title, "bold $text-primary"))
            )
            for binding in bindings:
                if isinstance(binding, Binding) and not _is_repeated(binding):
                    lines.append(self._line(binding))
        return Content("\n").join(lines)

    def _line(self, binding: Binding) -> Content:
        keymap = self.app._keymap  # what `App.set_keymap` was given: Textual has no getter
        keys = keymap.get(binding.id or "", binding.key).split(",")
        shown = ", ".join(self.app.get_key_display(Binding(key, "")) for key in keys)
        if binding.id == "profile.number_1":
            shown = "Alt+1 … Alt+9"
        tooltip = (
            "Switch to a profile directly" if "number" in (binding.id or "") else binding.tooltip
        )
        return Content.assemble((f"  {shown:<{KEY_WIDTH}}", "bold $text-accent"), (tooltip, ""))


def _is_repeated(binding: Binding) -> bool:
    name = binding.id or ""
    return name.startswith("profile.number_") and name != "profile.number_1"
