"""For widgets that grow while they are shown: one layout and one paint for each change."""

from __future__ import annotations

from textual.geometry import Size
from textual.layout import Layout
from textual.widget import Widget


class LaidOutOnce(Widget):
    """Takes a new size as it comes, and never keeps an old one.

    Textual 8.2.8 asks for another layout, and paints everything again, when the size it has just
    given to a widget is another one than before; inside a layout that is already under way.

    Its stream layout goes wrong where one is inside another: growth of a grandchild is not noted
    for the outer one, which then keeps the old height when something else has asked for a layout
    as well. So nothing is kept: what did not change answers from its own cache.
    """

    def pre_layout(self, layout: Layout) -> None:
        self.screen._layout_widgets.pop(self, None)

    def _size_updated(
        self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True
    ) -> bool:
        return super()._size_updated(size, virtual_size, container_size, layout=False)
