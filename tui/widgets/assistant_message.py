"""One answer of the model: reasoning, Markdown and tool calls in the order they came."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget

from engines.events import TextKind
from tui.markdown.blocks import CodeBlock
from tui.sanitize import one_line
from tui.widgets.footer_line import SEPARATOR, FooterLine
from tui.widgets.laid_out_once import LaidOutOnce
from tui.widgets.notice_block import NoticeBlock
from tui.widgets.reasoning_block import ReasoningBlock
from tui.widgets.streaming_markdown import StreamingMarkdown
from tui.widgets.tool_call_block import ToolCallBlock
from tui.widgets.transcript_entry import AssistantEntry, MessagePart, MessageStatus, Severity

Part = StreamingMarkdown | ReasoningBlock | ToolCallBlock

_STATUS_WORDS = {MessageStatus.CANCELLED: "stopped", MessageStatus.INTERRUPTED: "interrupted"}


class AssistantMessage(Vertical, LaidOutOnce):
    """An answer, whole or still being written."""

    BLANK = True

    class ReasoningToggled(Message):
        """A reasoning passage of this answer was folded or unfolded."""

        def __init__(self, message: AssistantMessage, is_expanded: bool) -> None:
            super().__init__()
            self.message = message
            self.is_expanded = is_expanded

        @property
        def control(self) -> AssistantMessage:
            return self.message

    def __init__(self, message_id: str) -> None:
        super().__init__()
        self.message_id = message_id
        self.status = MessageStatus.STREAMING
        self.footer = ""
        self._error = ""
        self._hint = ""
        self._parts: list[Part] = []
        self._ending: list[Widget] = []
        self._is_composed = False

    @classmethod
    def from_entry(cls, entry: AssistantEntry) -> AssistantMessage:
        """A finished answer."""
        message = cls(entry.message_id)
        for part in entry.parts:
            message._parts.append(_restored(part))
        message.finish(entry.status, entry.footer, entry.error, entry.hint)
        return message

    def compose(self) -> ComposeResult:
        self._is_composed = True
        yield from self._parts
        yield from self._ending

    @property
    def source(self) -> str:
        """The Markdown of the answer, without reasoning and tool calls."""
        return "\n\n".join([part.source for part in self._answers()])

    @property
    def entry(self) -> AssistantEntry:
        """The answer as a value, to be shown again later."""
        parts = tuple(_part_of(part) for part in self._parts)
        return AssistantEntry(
            self.message_id, parts, self.status, self.footer, self._error, self._hint
        )

    def append(self, text: str, kind: TextKind, token_count: int = 0) -> None:
        """Show more text of `kind`; `token_count` is how many tokens it is, where it is known."""
        part = self._part_for(kind)
        if isinstance(part, ReasoningBlock):
            part.append(text, token_count)
        else:
            part.append(text)

    def finish(
        self,
        status: MessageStatus | str = MessageStatus.COMPLETE,
        footer_text: str = "",
        error: str = "",
        hint: str = "",
    ) -> None:
        """The answer has ended; `footer_text` stands below it, a failure as a block inside it."""
        for part in self._parts[-1:]:
            part.finish()
        self.status, self.footer = MessageStatus(status), footer_text
        self._error, self._hint = error, hint
        if self.status is MessageStatus.FAILED:
            self._end_with(NoticeBlock(error or "The answer failed.", Severity.ERROR, hint))
        words = [_STATUS_WORDS.get(self.status, ""), one_line(footer_text)]
        if footer := SEPARATOR.join(filter(None, words)):
            self._end_with(FooterLine(footer))
        self.set_class(self.status is not MessageStatus.COMPLETE, "-unfinished")

    def copy_source(self) -> str:
        """The Markdown of the answer, as it goes to the clipboard."""
        return self.source.strip() + "\n"

    def code_blocks(self) -> list[CodeBlock]:
        """The code blocks of the answer, in order."""
        return [block for part in self._answers() for block in part.code_blocks()]

    def set_code_wrap(self, wraps_code: bool) -> None:
        """Wrap long lines of code, or clip them."""
        for part in self._answers():
            part.wraps_code = wraps_code

    def on_reasoning_block_toggled(self, event: ReasoningBlock.Toggled) -> None:
        event.stop()
        self.post_message(self.ReasoningToggled(self, event.is_expanded))

    def _answers(self) -> Iterable[StreamingMarkdown]:
        return [part for part in self._parts if isinstance(part, StreamingMarkdown)]

    def _part_for(self, kind: TextKind) -> Part:
        if self._parts and _kind_of(self._parts[-1]) is kind:
            return self._parts[-1]
        for part in self._parts[-1:]:
            part.finish()
        part = _new_part(kind)
        self._parts.append(part)
        if self._is_composed:
            self.mount(part)
        return part

    def _end_with(self, widget: Widget) -> None:
        self._ending.append(widget)
        if self._is_composed:
            self.mount(widget)


def _new_part(kind: TextKind) -> Part:
    match kind:
        case TextKind.REASONING:
            return ReasoningBlock()
        case TextKind.TOOL_CALL:
            return ToolCallBlock()
        case _:
            return StreamingMarkdown()


def _kind_of(part: Part) -> TextKind:
    match part:
        case ReasoningBlock():
            return TextKind.REASONING
        case ToolCallBlock():
            return TextKind.TOOL_CALL
        case _:
            return TextKind.ANSWER


def _part_of(part: Part) -> MessagePart:
    if isinstance(part, ReasoningBlock):
        return MessagePart(TextKind.REASONING, part.source, part.token_count, part.duration_s)
    return MessagePart(_kind_of(part), part.source)


def _restored(part: MessagePart) -> Part:
    match TextKind(part.kind):
        case TextKind.REASONING:
            return ReasoningBlock(
                part.text,
                token_count=part.token_count,
                duration_s=part.duration_s,
                is_finished=True,
            )
        case TextKind.TOOL_CALL:
            return ToolCallBlock(part.text)
        case _:
            return StreamingMarkdown(part.text)
