"""The three choices of the first start, at any later time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui.bindings import FIRST_STEPS_BINDINGS
from tui.welcome import LOOKING

if TYPE_CHECKING:
    from tui.models.first_steps import FirstSteps


class FirstStepsScreen(ModalScreen[int | None]):
    """Gives back the number of the choice, counted from 1, or None.

    Args:
        look: Finds out what there is to choose from.
    """

    DEFAULT_CSS = """
    FirstStepsScreen {
        align: center middle;
        & > Vertical {
            width: 96%;
            max-width: 90;
            height: auto;
            max-height: 92%;
            border: round $border;
            border-title-color: $text-primary;
            border-subtitle-color: $foreground-muted;
            background: $surface;
            padding: 0 1;
        }
        & Static, & OptionList { height: auto; background: $surface; border: none; }
        & OptionList { display: none; padding: 0; }
        &.-known OptionList { display: block; }
        &.-known Static { display: none; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = FIRST_STEPS_BINDINGS

    def __init__(self, look: Callable[[], Awaitable[FirstSteps]]) -> None:
        super().__init__()
        self._look = look

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "First steps"
            box.border_subtitle = "1, 2, 3 or Enter chooses · Esc closes"
            yield Static(LOOKING, markup=False)
            yield OptionList(markup=False)

    def on_mount(self) -> None:
        self._fill()

    @work
    async def _fill(self) -> None:
        steps = await self._look()
        options = self.query_one(OptionList)
        for number, (title, note) in enumerate(steps.texts(), start=1):
            line = Content.assemble(
                (f"{number}  ", "bold"), (f"{title}\n", "bold"), (f"   {note}", "$foreground-muted")
            )
            options.add_option(Option(line))
        self.query_one(Vertical).border_title = Content(f"First steps · {steps.machine}")
        self.add_class("-known")
        options.highlighted = 0
        options.focus()

    def on_key(self, event: events.Key) -> None:
        if event.key in ("1", "2", "3") and self.has_class("-known"):
            event.stop()
            self.dismiss(int(event.key))

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_index + 1)
