"""The app: puts options, services and screens together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tui.bindings import APP_BINDINGS, key_name
from tui.ending import UnexpectedEnd, leave_on_signals
from tui.options import AppOptions
from tui.paths import AppPaths, app_paths
from tui.prompt_history import PromptHistory
from tui.screens.chat import ChatScreen
from tui.terminal import log_to_file, terminal_for_textual
from tui.themes import DARK, THEMES
from tui.type_ahead import TypeAheadApp

if TYPE_CHECKING:
    from conversation.message import AttachmentPart
    from conversation.store_reads import InterruptedAnswer
    from engines.base import Engine
    from engines.types import LoadRequest
    from profiles.loader import ProfileCatalog
    from tui.model_actions import ModelActions
    from tui.models.sources import ModelSources
    from tui.profile_updates import ProfileUpdates
    from tui.services import Services

READ_BANDWIDTH_AFTER_S = 3.0
"""It may be measured, which is not for the moments when everything starts or answers."""

FIRST_STEPS_AFTER_S = 0.5
"""Once everything works, the machine and its models are looked at for somebody new."""


class LlmTuiApp(TypeAheadApp):
    """Paints first, then opens profiles, store and model.

    Args:
        create: Makes the engine for a request; tests pass their own.
        catalog: Profiles to use in place of those on disk.
        model_sources: In place of this user's models, machine and hub.
    """

    TITLE = "llm-tui"
    BINDINGS: ClassVar[list[BindingType]] = APP_BINDINGS
    CSS_PATH = ["screens/chat.tcss", "widgets/transcript.tcss"]

    def __init__(
        self,
        options: AppOptions,
        paths: AppPaths | None = None,
        create: Callable[[LoadRequest], Engine] | None = None,
        catalog: ProfileCatalog | None = None,
        model_sources: ModelSources | None = None,
    ) -> None:
        super().__init__()
        self.options = options
        self.paths = paths or app_paths()
        self.services: Services | None = None
        self.interrupted: InterruptedAnswer | None = None
        self.failure: Exception | None = None
        self.profile_updates: ProfileUpdates | None = None
        self.model_actions: ModelActions | None = None
        self._model_sources = model_sources
        self._is_asked_for_models = False
        self._create = create
        self._catalog = catalog
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = DARK.name

    def get_default_screen(self) -> ChatScreen:
        return ChatScreen(PromptHistory(self.paths.history))

    def get_key_display(self, binding: Binding) -> str:
        return binding.key_display or key_name(binding.key)

    @property
    def chat(self) -> ChatScreen:
        """The main screen, whatever lies over it."""
        screen = self.screen_stack[0]
        assert isinstance(screen, ChatScreen)
        return screen

    def on_mount(self) -> None:
        leave_on_signals(self)
        self.call_after_refresh(self._open)

    # Conversations

    def open_conversation(self, conversation_id: str | None) -> bool:
        """Show a conversation, or begin one; False (and a notice) where it cannot be opened."""
        from conversation.errors import ConversationError

        pane, services = self.chat.pane, self.services
        if services is None:
            return False
        profile = services.profile_for(conversation_id, pane.chosen_profile or services.profile)
        try:
            pane.start(services, profile, conversation_id)
        except ConversationError as error:
            pane.notice(error.message, error.hint, "error")
            return False
        return True

    def action_new_chat(self) -> None:
        self.open_conversation(None)

    def action_continue_last(self) -> None:
        """Go on with the conversation that a crash cut off, else with the one used last."""
        if self.services is None:
            return
        if self.interrupted is not None:
            conversation_id = self.interrupted.conversation_id
            self.forget_interrupted()
            self.open_conversation(conversation_id)
        elif (last := self._last_conversation_id()) is not None:
            self.open_conversation(last)
        else:
            self.chat.pane.say("There is no earlier conversation")

    def forget_interrupted(self) -> None:
        """The conversation that was cut off has been offered; it stays in the list."""
        if self.interrupted is not None and self.services is not None:
            self.interrupted = None
            self.chat.pane.interrupted_title = ""
            self.services.store.dismiss_interrupted()

    def action_sessions(self) -> None:
        from engines.kv.disk import forget_owner
        from engines.kv.owners import all_of
        from tui.screens.sessions import SessionsScreen

        if self.services is None:
            return

        screen = SessionsScreen(self.services.store)

        def closed(chosen: str | None) -> None:
            session = self.chat.pane.session
            current = session.conversation_id if session else None
            if chosen is not None and chosen != current:
                self.open_conversation(chosen)
            elif current in screen.deleted:
                self.open_conversation(None)
            for deleted in screen.deleted:
                forget_owner(self.paths.kv, deleted)
                if self.services is not None:
                    self.services.pool.forget(all_of(deleted))

        self.push_screen(screen, closed)

    def action_models(self) -> None:
        """Show the models; asked for too early, as soon as that works."""
        self._is_asked_for_models = self.model_actions is None
        if self.model_actions is not None:
            self.model_actions.open()

    def action_first_step(self, number: int) -> None:
        if self.model_actions is not None:
            self.model_actions.take_first_step(number)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The keys of the first choices are other widgets' while there is nothing to choose."""
        if action == "first_step":
            return self.model_actions is not None and self.model_actions.offers_first_steps
        return super().check_action(action, parameters)

    # Start

    @work(name="open")
    async def _open(self) -> None:
        """Open the services; what the command line asked for and is not there ends the app."""
        await asyncio.to_thread(import_module, "tui.opening")  # the prompt takes keys meanwhile
        from tui.opening import (
            ExplainedError,
            ModelActions,
            ProfileUpdates,
            conversation_to_continue,
            open_services,
        )

        try:
            services = self.services = open_services(
                self.options, self.paths, self._create, self._catalog
            )
            attachments = self._attachments()
            self._offer_interrupted(services)
            conversation_id = conversation_to_continue(services.store, self.options)
            profile = services.profile
            if not self.options.names_profile:
                profile = services.profile_for(conversation_id, profile)
            self.chat.pane.start(services, profile, conversation_id, attachments)
        except ExplainedError as error:
            self.failure = error
            self.exit(return_code=1)
            return
        for notice in (*services.notices, *services.store.drain_notices()):
            self.chat.pane.notice(notice, severity="warning")
        self.profile_updates = ProfileUpdates(self, services)
        self.model_actions = ModelActions(self, services, self._model_sources)
        self.set_timer(FIRST_STEPS_AFTER_S, self.model_actions.offer_first_steps)
        if self._is_asked_for_models:
            self.action_models()
        self.set_timer(READ_BANDWIDTH_AFTER_S, self._read_bandwidth)

    def _read_bandwidth(self) -> None:
        if self.chat.pane.is_busy:
            self.set_timer(READ_BANDWIDTH_AFTER_S, self._read_bandwidth)
        elif self.services is not None:
            self.services.read_bandwidth()

    def _attachments(self) -> tuple[AttachmentPart, ...]:
        from documents.reading import read_attachment

        return tuple(read_attachment(path) for path in self.options.files)

    def _offer_interrupted(self, services: Services) -> None:
        if cut_off := services.store.interrupted():
            self.interrupted = cut_off[0]
            self.chat.pane.interrupted_title = cut_off[0].title

    def _last_conversation_id(self) -> str | None:
        conversations = self.services.store.list_conversations() if self.services else []
        return conversations[0].id if conversations else None

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        from tui.commands import system_commands

        yield from system_commands(self)


def run_app(options: AppOptions) -> int:
    """Run the app in this terminal; returns the exit code.

    Raises:
        ProfileError, ConversationError, DocumentError: what was asked for is not there.
        UnexpectedEnd: an error in the app; its traceback is in the log.
    """
    paths = app_paths()
    log_to_file(paths.log, options.debug)
    app = LlmTuiApp(options, paths)
    with terminal_for_textual(paths.log):
        app.run()
        if app.services is not None:
            app.services.close()
    if app.failure is not None:
        raise app.failure
    code = app.return_code or 0
    if code == 1:
        raise UnexpectedEnd(paths.log)
    return code
