"""The models: find one, see whether it fits, use it, download it, move it to the trash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from engines.errors import ExplainedError
from tui.bindings import MODELS_BINDINGS
from tui.models.details import details_content, short_path
from tui.models.downloads import Download
from tui.models.library import ModelLibrary
from tui.models.listing import hub_row
from tui.models.matching import matching_rows
from tui.models.row import ModelRow, gb_text
from tui.models.row_line import row_line
from tui.sanitize import one_line
from tui.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    from engines.model_files.removal import Removal

HINTS = (
    ("Enter", "use here"),
    ("F2", "in profile"),
    ("F5", "download"),
    ("F6", "stop"),
    ("F8", "delete"),
    ("Esc", "back"),
)
LETTERS = {
    "u": "use_in_profile",
    "d": "download",
    "c": "stop_download",
    "delete": "delete",
    "slash": "search",
}
"""Keys that work while the list has the focus, and nothing is typed."""

MOVES = {
    "up": "cursor_up",
    "down": "cursor_down",
    "pageup": "page_up",
    "pagedown": "page_down",
}
PLACEHOLDER = "Search name, family, quantization, source"
SEARCHING = "Looking for models…"
NOTHING_HERE = "No model found. Type ORG/NAME to download one from the hub."
NOTHING_FOUND = "Nothing found. Type ORG/NAME or ORG/NAME:QUANT to download one from the hub."
LOOK_S = 0.5
TALL_ROWS = 34


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model to run: in this conversation, or from now on in the profile."""

    row: ModelRow
    is_for_profile: bool


class ModelsScreen(ModalScreen[ModelChoice | None]):
    """Gives back the model to use, or None.

    Args:
        used: Reference of the model that the conversation runs.
        profile_title: Of the profile that `use in the profile` means.
    """

    CSS_PATH = "models.tcss"
    BINDINGS: ClassVar[list[BindingType]] = MODELS_BINDINGS

    def __init__(self, library: ModelLibrary, used: str, profile_title: str) -> None:
        super().__init__()
        self._library = library
        self._used = used
        self._profile_title = profile_title
        self._shown: list[ModelRow] = []
        self._removal: Removal | None = None
        self._warned: tuple[str, Path | None] | None = None
        self._warning = ""
        self._cursor = 0
        self._has_moved = False
        self._known_downloads: dict[str, Download | None] = {}
        self._home = Path.home()

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content(f"Models · profile {self._profile_title}")
            yield Input(placeholder=PLACEHOLDER, select_on_focus=False, id="search")
            yield OptionList(id="list", markup=False)
            yield Static(SEARCHING, id="empty", markup=False)
            yield Static(id="details", markup=False)
            yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(KeyBar).hints = HINTS
        search = self.query_one("#search", Input)
        search.cursor_blink = False  # a blinking cursor writes to the terminal all day
        search.focus()
        self.set_interval(LOOK_S, self._show_downloads)
        self.call_after_refresh(self._fill)
        self._look()

    @work(exclusive=True, group="look")
    async def _look(self, news: str = "") -> None:
        """Search and judge away from here, and show what there is meanwhile."""
        self._say(news or "looking")
        async for _ in self._library.look():
            self._fill()
        if news:
            self._say(news)
        else:
            self._say_count()

    # Keys

    def on_key(self, event: events.Key) -> None:
        """The list moves while the search has the focus; letters act only in the list."""
        options = self.query_one(OptionList)
        if event.key in MOVES:
            self._has_moved = True
            if not options.has_focus:
                event.stop()
                getattr(options, f"action_{MOVES[event.key]}")()
        elif options.has_focus and event.key in LETTERS:
            event.stop()
            getattr(self, f"action_{LETTERS[event.key]}")()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.height >= TALL_ROWS, "-tall")
        self.call_after_refresh(self._fill)

    def action_close(self) -> None:
        if self._removal is not None:
            self._removal = None
            self._show_details()
        else:
            self.dismiss(None)

    def action_search(self) -> None:
        self.query_one("#search", Input).focus()

    def action_use_in_profile(self) -> None:
        self._use(is_for_profile=True)

    def action_download(self) -> None:
        row = self._highlighted()
        if row is None:
            return
        if row.is_here:
            self._say("It is on this machine already")
        elif row.problem:
            self._say("It cannot be used: see below")
        else:
            self._library.downloads.start(row.reference)
            self._say("It goes on while this is closed · F6 stops it")
            self._show_downloads()

    def action_stop_download(self) -> None:
        row = self._highlighted()
        if row is not None and self._library.downloads.stop(row.reference):
            self._say("Stopping · F5 goes on from there")
            self._show_downloads()
        else:
            self._say("It is not being downloaded")

    def action_delete(self) -> None:
        """Ask the first time, do it the second time."""
        row = self._highlighted()
        if row is None:
            return
        if self._removal is not None:
            self._remove(self._removal)
            self._removal = None
            return
        try:
            self._removal = self._library.removal_of(row)
        except ExplainedError as error:
            self._warn(error)
        else:
            self._show_details()

    @work
    async def _remove(self, removal: Removal) -> None:
        self._say("Moving it to the trash")
        try:
            await self._library.remove(removal)
        except ExplainedError as error:
            self._warn(error)
        else:
            self._look(f"{one_line(removal.model.name)} is in the trash")

    @on(Input.Changed, "#search")
    def _search(self) -> None:
        self._has_moved = False
        self._fill()

    @on(Input.Submitted, "#search")
    @on(OptionList.OptionSelected)
    def _chosen(self) -> None:
        self._use(is_for_profile=False)

    @on(OptionList.OptionHighlighted)
    def _highlight_changed(self) -> None:
        row = self._highlighted()
        model = self._removal.model if self._removal else None
        if model and (row is None or row.key != (model.reference, model.path)):
            self._removal = None
        if row is None or row.key != self._warned:
            self._warned = None
        before, self._cursor = self._cursor, self.query_one(OptionList).highlighted or 0
        if before != self._cursor:
            self._draw_again(before)
            self._draw_again(self._cursor)
        self._show_details()

    def _use(self, is_for_profile: bool) -> None:
        row = self._highlighted()
        if row is None:
            return
        if row.problem:
            self._say("It cannot be used: see below")
        elif not row.is_here:
            size = gb_text(row.size_bytes) if row.size_bytes else "it"
            self._say(f"It is not here yet · F5 downloads {size}")
        else:
            self.dismiss(ModelChoice(row, is_for_profile))

    # What is shown

    def _fill(self) -> None:
        """The rows that match, with the highlighted one where it was."""
        query = self.query_one("#search", Input).value
        before = self._highlighted() if self._has_moved else None
        self._shown = matching_rows(query, self._library.rows)
        typed = hub_row(query)
        if typed is not None and typed.reference not in {row.reference for row in self._shown}:
            self._shown.append(typed)
        options = self.query_one(OptionList)
        keys = [row.key for row in self._shown]
        self._cursor = keys.index(before.key) if before and before.key in keys else 0
        options.clear_options()
        options.add_options(Option(self._line(place)) for place in range(len(keys)))
        if keys:
            options.highlighted = self._cursor
        self.set_class(not keys, "-empty")
        self.query_one("#empty", Static).update(self._empty_text(query))
        self._show_details()

    def _line(self, place: int) -> Content:
        """The row at a place; the widths are those of the list as it is."""
        row = self._shown[place]
        return row_line(
            row,
            self._library.downloads.get(row.reference),
            self.query_one(OptionList).scrollable_content_region.width,
            is_used=row.reference == self._used,
            is_highlighted=place == self._cursor,
        )

    def _draw_again(self, place: int) -> None:
        if place < len(self._shown):
            line = self._line(place)
            self.query_one(OptionList).replace_option_prompt_at_index(place, line)

    def _show_downloads(self) -> None:
        """Bring the rows of downloads up to date; what arrived is looked for."""
        downloads = self._library.downloads
        known = {row.reference: downloads.get(row.reference) for row in self._shown}
        if known == self._known_downloads:
            return
        before, self._known_downloads = self._known_downloads, known
        for place, row in enumerate(self._shown):
            if (now := known[row.reference]) != before.get(row.reference):
                self._draw_again(place)
                if now is not None and not now.is_active:
                    self._say_count()
        self._show_details()
        if any(
            each is not None and each.path and before.get(name) != each
            for name, each in known.items()
        ):
            self._look("It is here: Enter uses it")

    def _show_details(self) -> None:
        details, row = self.query_one("#details", Static), self._highlighted()
        if row is None:
            details.update("")
        elif row.key == self._warned:
            details.update(Content.styled(self._warning, "$text-error"))
        elif self._removal is not None:
            details.update(self._question(self._removal))
        else:
            download = self._library.downloads.get(row.reference)
            details.update(details_content(row, download, self._home))

    def _question(self, removal: Removal) -> Content:
        size = gb_text(removal.size_bytes)
        is_used = removal.model.reference == self._used
        notes = [removal.note, "This conversation runs it." if is_used else ""]
        return Content.assemble(
            (f"Move {one_line(removal.model.name)} ({size}) to the trash? ", "$text-warning"),
            ("F8 again does it, Esc does not.", "bold"),
            "".join(f"\n{short_path(path, self._home)}" for path in removal.paths),
            f"\n{one_line(' '.join(notes))}",
        )

    def _empty_text(self, query: str) -> str:
        if not self._library.is_searched:
            return SEARCHING
        return NOTHING_FOUND if query.strip() else NOTHING_HERE

    def _say(self, text: str) -> None:
        self.query_one(Vertical).border_subtitle = Content(text)

    def _warn(self, error: ExplainedError) -> None:
        """In place of the details of the row, until another one is highlighted."""
        row = self._highlighted()
        self._warned = row.key if row else None
        self._warning = one_line(f"{error.message} {error.hint}")
        self._show_details()

    def _say_count(self) -> None:
        here = sum(row.is_here for row in self._library.rows)
        others = len(self._library.rows) - here
        models = "model" if here == 1 else "models"
        more = f", {others} to download" if others else ""
        self._say(self._library.problem or f"{here:,} {models} here{more}")

    def _highlighted(self) -> ModelRow | None:
        place = self.query_one(OptionList).highlighted
        return self._shown[place] if place is not None and place < len(self._shown) else None
