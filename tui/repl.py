"""Line mode: a conversation line by line, for dumb terminals, screen readers and slow links.

A line is a message; a line that begins with / is a command. Ctrl+C stops an answer, Ctrl+D leaves.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.history import History
from prompt_toolkit.output import create_output

from conversation.session import Session
from conversation.turn import Turn
from engines.errors import ExplainedError
from profiles.schema import Profile
from tui.answer_footer import answer_footer
from tui.command_line.answer_writer import PlainWriter
from tui.command_line.answering import follow, open_session, start_log
from tui.command_line.failure import Failure
from tui.command_line.streams import Streams, own_streams
from tui.options import AppOptions
from tui.paths import app_paths
from tui.prompt_history import PromptHistory
from tui.sanitize import one_line
from tui.services import Services, open_services

HELP = """\
/profile         the profiles, the one in use marked
/profile NAME    use another profile from the next message on
/engine NAME     answer with mlx or llama.cpp; auto leaves it to the profile
/new             begin a new conversation
/help            this list
/quit            leave (Ctrl+D does too); Ctrl+C stops an answer"""


def run_repl(options: AppOptions) -> None:
    """Talk until the user leaves.

    Raises:
        ProfileError, ConversationError: what was asked for is not there.
    """
    paths = app_paths()
    start_log(paths.log, options.debug)
    with own_streams(paths.log, keep_stderr=options.debug) as streams:
        services = open_services(options, paths)
        for notice in services.notices:
            streams.err.write(f"llm-tui: {one_line(notice)}\n")
        try:
            Repl(services, open_session(services, options), streams, paths.history).run()
        finally:
            services.close()


class Repl:
    """The loop, on the program's own streams."""

    def __init__(
        self, services: Services, session: Session, streams: Streams, history_file: Path
    ) -> None:
        self._services = services
        self._session = session
        self._streams = streams
        self._prompt: PromptSession[str] = PromptSession(
            history=_LineHistory(PromptHistory(history_file)),
            output=create_output(stdout=streams.out),
        )

    def run(self) -> None:
        self._say("llm-tui, line mode. /help lists the commands, Ctrl+D leaves.")
        while True:
            try:
                line = self._prompt.prompt(f"{one_line(self._session.profile.title)}> ").strip()
            except KeyboardInterrupt:
                continue
            except EOFError:
                break
            if line == "/quit":
                break
            if line:
                self._take(line)
        self._session.close()

    def _take(self, line: str) -> None:
        command, _, rest = line.partition(" ")
        match command:
            case "/help":
                self._say(HELP)
            case "/new":
                self._begin_anew()
            case "/profile":
                self._use_profile(rest.strip())
            case "/engine":
                self._pin_engine(rest.strip())
            case _ if command.startswith("/") and "/" not in command[1:]:
                self._say(f"There is no command {command}. /help lists the commands.")
            case _:
                self._answer(self._session.send(line))

    def _answer(self, turn: Turn) -> None:
        try:
            follow(self._session, turn, PlainWriter(self._streams))
        except Failure as failure:
            self._say(failure.format_message())
        title = self._services.profile_title(turn.profile.name)
        self._say(one_line(answer_footer(turn.answer(), title)))

    def _begin_anew(self) -> None:
        self._session.close()
        self._session = open_session(self._services, AppOptions(), self._session.profile)
        self._say("A new conversation.")

    def _use_profile(self, name: str) -> None:
        if not name:
            self._say("\n".join(self._profile_lines(self._services.catalog.profiles.values())))
            return
        try:
            self._session.use_profile(self._services.catalog.get(name))
        except ExplainedError as error:
            self._say(f"{error.message} {error.hint}")

    def _pin_engine(self, engine: str) -> None:
        known = (*self._session.engines, "auto")
        if engine not in known:
            self._say(f"Choose one of: {', '.join(known)}.")
            return
        self._session.pin_engine("" if engine == "auto" else engine)
        self._say(f"From the next message on: {engine}.")

    def _profile_lines(self, profiles: Iterable[Profile]) -> Iterable[str]:
        for profile in profiles:
            mark = "*" if profile.name == self._session.profile.name else " "
            yield f"{mark} {profile.name:12} {one_line(profile.description)}"

    def _say(self, text: str) -> None:
        if text:
            self._streams.out.write(text + "\n")
            self._streams.out.flush()


class _LineHistory(History):
    """The app's prompt history, for the Up key of a line."""

    def __init__(self, sent: PromptHistory) -> None:
        super().__init__()
        self._sent = sent

    def load_history_strings(self) -> Iterable[str]:
        return reversed(self._sent.texts)

    def store_string(self, string: str) -> None:
        self._sent.add(string)
