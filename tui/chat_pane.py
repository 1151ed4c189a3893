"""One conversation on the screen: transcript, prompt, stats bar, and the session behind them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message as UIMessage

from tui.prompt_history import PromptHistory
from tui.sanitize import one_line
from tui.widgets.activity_line import ActivityLine
from tui.widgets.prompt_input import PromptInput
from tui.widgets.stats_bar import StatsBar
from tui.widgets.transcript_view import TranscriptView
from tui.widgets.welcome_panel import WelcomePanel

if TYPE_CHECKING:
    from conversation.message import AttachmentPart
    from conversation.session import Session
    from conversation.turn import Turn
    from profiles.schema import Profile
    from tui.bridge import Bridge
    from tui.markdown.blocks import CodeBlock
    from tui.profile_switch import ProfileSwitch
    from tui.services import Services
    from tui.session_presenter import SessionPresenter
    from tui.welcome import StepLines


class ChatPane(Vertical):
    """Shows one session and takes what the user does to it.

    It starts empty, so that the prompt takes keys at once; `start` brings the session.
    """

    DEFAULT_CSS = """
    ChatPane {
        height: 1fr;
        &.-empty > TranscriptView { display: none; }
        & > WelcomePanel { display: none; }
        &.-empty > WelcomePanel { display: block; }
    }
    """

    session: Session | None = None
    presenter: SessionPresenter | None = None
    switch: ProfileSwitch | None = None
    bridge: Bridge | None = None

    class Changed(UIMessage):
        """Busy or not any more, another profile, another conversation."""

    def __init__(self, history: PromptHistory) -> None:
        super().__init__(classes="-empty")
        self._history = history
        self._services: Services | None = None
        self._attachments: tuple[AttachmentPart, ...] = ()
        self._editing: str | None = None
        self._early_texts: list[str] = []
        self._steps: StepLines | None = None

    def compose(self) -> ComposeResult:
        yield WelcomePanel()
        yield TranscriptView()
        yield ActivityLine()
        yield PromptInput(self._history)
        yield StatsBar()

    # The session

    def start(
        self,
        services: Services,
        profile: Profile,
        conversation_id: str | None = None,
        attachments: tuple[AttachmentPart, ...] = (),
    ) -> None:
        """Open a conversation, or begin one; what was typed before is sent.

        Raises:
            ConversationError: it cannot be opened; the one in view stays.
        """
        from conversation.session import Session
        from tui.bridge import Bridge
        from tui.profile_switch import ProfileSwitch

        session = Session(
            services.store,
            services.pool,
            profile,
            conversation_id,
            measurements=services.measurements,
            memory_bandwidth_bytes_per_s=services.memory_bandwidth_bytes_per_s,
        )
        self._leave()
        self._services, self.session = services, session
        self._attachments, self._editing = attachments, None
        self.presenter = self._new_presenter(services, session)
        self.bridge = Bridge(self, session, self.presenter)
        self.switch = ProfileSwitch(
            session, services, self.bridge, self.presenter, self.say, self.complain
        )
        self._show_history()
        self._show_attachments()
        early, self._early_texts = self._early_texts, []
        for text in early:
            self.send(text)

    def on_unmount(self) -> None:
        self._leave()

    @property
    def is_busy(self) -> bool:
        return self.session is not None and self.session.is_busy

    @property
    def chosen_profile(self) -> Profile | None:
        """The profile that was chosen last; None before the session is there."""
        return self.switch.chosen if self.switch else None

    # What the user does

    def on_prompt_input_submitted(self, event: PromptInput.Submitted) -> None:
        event.stop()
        self.send(event.text)

    def send(self, text: str) -> None:
        """Ask `text`, or ask it instead of the message that is being edited."""
        if self.session is None or self.presenter is None or self.bridge is None:
            self._early_texts.append(text)
            self.say("Queued: it is sent as soon as the app is ready")
            return
        self._history.add(text)
        self.query_one(ActivityLine).clear_notice()
        if self._services is not None:
            bandwidth_bytes_per_s = self._services.memory_bandwidth_bytes_per_s
            self.session.memory_bandwidth_bytes_per_s = bandwidth_bytes_per_s
        self.remove_class("-empty")
        if self._editing is not None:
            turn = self.session.edit(self._editing, text)
            self.cancel_edit()
            self._show_history(before=turn.question.id)
        else:
            turn = self.session.send(text, self._attachments)
            self._attachments = ()
            self._show_attachments()
        self.presenter.show_turn(turn)
        self.bridge.follow(turn)

    def stop(self) -> bool:
        """Stop the running answer; False where none runs."""
        if self.session is None or not self.session.is_busy:
            return False
        self.session.stop()
        return True

    def regenerate(self) -> None:
        """Another answer to the last message."""
        if self.session is None or self.presenter is None or self.bridge is None:
            return
        if self.session.is_busy:
            self.say("Stop the answer first (Esc)")
            return
        turn = self.session.regenerate()
        self._show_history(before=turn.message_id)
        self.presenter.show_turn(turn, with_question=False)
        self.bridge.follow(turn)

    def edit_last(self) -> None:
        """Bring the last message back into the prompt; sending it asks anew from there."""
        if self.session is None or self.session.is_busy:
            self.say("Stop the answer first (Esc)")
            return
        from engines.types import Role

        asked = [m for m in self.session.transcript.path() if m.role is Role.USER]
        if not asked:
            self.say("There is no message to edit yet")
            return
        self._editing = asked[-1].id
        prompt = self.query_one(PromptInput)
        prompt.clear_text()
        prompt.put_back(asked[-1].text)
        prompt.border_title = "editing your last message · Esc leaves it as it was"
        prompt.focus()

    def cancel_edit(self) -> bool:
        """Leave the message as it was; False where none is being edited."""
        was_editing, self._editing = self._editing is not None, None
        prompt = self.query_one(PromptInput)
        prompt.border_title = ""
        return was_editing

    def pin_engine(self, engine: str) -> None:
        """Answer with `engine` from the next message on; with "" as the profile says."""
        from profiles.routing import engine_title

        if self.session is None or self.presenter is None or self.bridge is None:
            return
        self.session.pin_engine(engine)
        self.presenter.show_model()
        self.bridge.watch_model()
        who = f"{engine_title(engine)} answers" if engine else "The profile's engine answers"
        self.say(f"{who} from the next message on")

    def scroll_transcript(self, step: int) -> None:
        """A page up (-1) or down (1), whatever has the focus."""
        transcript = self.query_one(TranscriptView)
        if step < 0:
            transcript.scroll_page_up()
        else:
            transcript.scroll_page_down()

    # What is shown

    def say(self, text: str) -> None:
        """A short notice above the prompt; it goes away by itself."""
        self.query_one(ActivityLine).show_notice(one_line(text))

    def notice(self, text: str, hint: str = "", severity: str = "information") -> None:
        """A notice that stays, in the transcript."""
        self.remove_class("-empty")
        self.query_one(TranscriptView).add_notice(text, severity, hint)

    def complain(self, text: str, hint: str = "") -> None:
        """An error that stays, in the transcript."""
        self.notice(text, hint, "error")

    def on_transcript_view_copy_requested(self, event: TranscriptView.CopyRequested) -> None:
        event.stop()
        self.copy(event.text, event.label)

    def copy(self, text: str, label: str) -> None:
        """Put `text` on the clipboard, and say what was done."""
        from tui.clipboard import copy_text

        self.say(f"{label}: {copy_text(self.app, text, os.environ)}")

    def code_blocks(self) -> list[CodeBlock]:
        """The code blocks in view, in order."""
        return self.query_one(TranscriptView).code_blocks()

    def show_welcome(self) -> None:
        """Bring the empty state up to date."""
        from tui.welcome import ProfileLine, welcome_content

        if self._services is None or self.session is None or self.presenter is None:
            return
        current = self.chosen_profile
        lines = [
            ProfileLine(
                one_line(p.title),
                one_line(p.description),
                current is not None and p.name == current.name,
            )
            for p in self._services.catalog.profiles.values()
        ]
        info = self.session.model_info
        self.query_one(WelcomePanel).show(
            welcome_content(
                lines,
                self.presenter.model_label,
                is_demo=info.is_demo if info else self.session.profile.model.startswith("demo:"),
                interrupted=one_line(self.interrupted_title),
                steps=self._steps,
            )
        )

    def show_first_steps(self, texts: Sequence[tuple[str, str]], machine: str = "") -> None:
        """Offer the choices of the first start; without `texts` they are being looked for."""
        from tui.welcome import StepLines

        self._steps = StepLines(texts, machine)
        self.show_welcome()

    def hide_first_steps(self) -> None:
        """Offer them no more."""
        self._steps = None
        self.show_welcome()

    def show_background(self, text: str) -> None:
        """What goes on beside the conversation, such as a download; empty for nothing."""
        self.query_one(ActivityLine).background = text

    interrupted_title = ""
    """Title of a conversation that a crash cut off, for the empty state."""

    def _show_history(self, before: str | None = None) -> None:
        """The branch in view, up to the message `before`."""
        if self.session is None or self._services is None:
            return
        from tui.history_entries import history_entries

        messages = self.session.transcript.path()
        ids = [message.id for message in messages]
        shown = messages[: ids.index(before)] if before in ids else messages
        transcript = self.query_one(TranscriptView)
        transcript.clear()
        transcript.show_history(history_entries(shown, self._services.profile_title))
        self.set_class(not messages, "-empty")
        self.show_welcome()

    def _show_attachments(self) -> None:
        names = ", ".join(one_line(attachment.name) for attachment in self._attachments)
        self.query_one(PromptInput).border_subtitle = f"attached: {names}" if names else ""

    def _new_presenter(self, services: Services, session: Session) -> SessionPresenter:
        from tui.session_presenter import PaneWidgets, SessionPresenter

        widgets = PaneWidgets(
            self.query_one(TranscriptView), self.query_one(StatsBar), self.query_one(ActivityLine)
        )
        return SessionPresenter(
            widgets,
            services,
            session,
            changed=self._changed,
            failed=self._failed,
            failed_to_load=lambda reason: self.complain(reason.message, reason.hint),
            prepared=lambda engine: self.switch.prepared(engine) if self.switch else None,
        )

    def _changed(self) -> None:
        self.show_welcome()
        self.post_message(self.Changed())

    def _failed(self, turn: Turn) -> None:
        self.query_one(PromptInput).put_back(turn.text)
        self._attachments = turn.question.attachments
        self._show_attachments()

    def _leave(self) -> None:
        if self.bridge is not None:
            self.bridge.close()
        if self.session is not None:
            self.session.close()
