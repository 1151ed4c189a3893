"""The question whether a project's profiles may do everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.bindings import TRUST_BINDINGS


class TrustScreen(ModalScreen[bool]):
    """Gives back True only where the user says so; every other way out is a no.

    Args:
        folder: The project.
        wanted: Each profile with the keys that do not count yet.
    """

    DEFAULT_CSS = """
    TrustScreen {
        align: center middle;
        & > Vertical {
            width: 96%;
            max-width: 76;
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
    BINDINGS: ClassVar[list[BindingType]] = TRUST_BINDINGS

    def __init__(self, folder: str, wanted: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._folder = folder
        self._wanted = wanted

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Trust this project?"
            box.border_subtitle = "F8 trusts it · Esc does not"
            with VerticalScroll():
                yield Static(self._content(), markup=False)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def action_answer(self, is_trusted: bool) -> None:
        self.dismiss(is_trusted)

    def _content(self) -> Content:
        lines = [
            Content(
                f"The profiles in {self._folder} have keys that can make this machine load"
                " files of their choice, or let tools do more without asking you:"
            ),
            Content(""),
            *(
                Content.assemble((f"  {name}: ", "bold $text-accent"), (keys, ""))
                for name, keys in self._wanted
            ),
            Content(""),
            Content("Trust it only if you know who wrote them. Trust ends when a profile changes."),
        ]
        return Content("\n").join(lines)
