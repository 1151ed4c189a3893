"""Every key of the app. Each has an id, so that a keymap can move it.

Ctrl+I, Ctrl+M, Ctrl+H and Ctrl+[ are Tab, Enter, Backspace and Escape to a terminal, and Ctrl+B is
tmux's: they are never bound.
"""

from __future__ import annotations

from textual.binding import Binding, BindingType

NEVER_BOUND = frozenset({"ctrl+i", "ctrl+m", "ctrl+h", "ctrl+left_square_bracket", "ctrl+b"})
PROFILE_KEYS = 9


_NAMES = {
    "escape": "Esc",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "up": "Up",
    "down": "Down",
    "delete": "Del",
    "backslash": "\\",
}


def key_name(key: str) -> str:
    """A key as people write it: `ctrl+o` is Ctrl+O."""
    parts = [_NAMES.get(part, part.capitalize()) for part in key.split("+")]
    return "+".join(parts)


def _key(
    key: str, action: str, description: str, name: str, tooltip: str, *, priority: bool = False
) -> Binding:
    return Binding(
        key, action, description, id=name, tooltip=tooltip, priority=priority, show=False
    )


PROMPT_BINDINGS: list[BindingType] = [
    _key("enter", "submit", "Send", "prompt.send", "Send the message"),
    _key(
        "ctrl+j,shift+enter,alt+enter",
        "newline",
        "New line",
        "prompt.newline",
        "Begin another line",
    ),
    _key("up", "older", "Earlier", "prompt.older", "First line: what was sent before"),
    _key("down", "newer", "Later", "prompt.newer", "Last line: what was sent after"),
    _key(
        "ctrl+d",
        "end_of_input",
        "Quit",
        "prompt.end",
        "Quit if empty, else delete right",
    ),
]

CHAT_BINDINGS: list[BindingType] = [
    _key("escape", "stop", "Stop", "chat.stop", "Stop the answer and keep what came"),
    _key(
        "ctrl+c",
        "interrupt",
        "Copy or stop",
        "chat.interrupt",
        "Copy selection, else stop, else quit",
        priority=True,
    ),
    _key("f2", "next_profile(1)", "Next profile", "profile.next", "Switch to the next profile"),
    _key(
        "shift+f2,f14",
        "next_profile(-1)",
        "Previous profile",
        "profile.previous",
        "Switch to the previous profile",
    ),
    *(
        _key(
            f"alt+{number}",
            f"profile_number({number})",
            f"Profile {number}",
            f"profile.number_{number}",
            f"Switch to profile {number}",
            priority=True,
        )
        for number in range(1, PROFILE_KEYS + 1)
    ),
    _key(
        "ctrl+x",
        "profile_leader",
        "Profile …",
        "profile.leader",
        "Then 1 to 9: that profile",
        priority=True,
    ),
    _key(
        "ctrl+n", "app.new_chat", "New chat", "chat.new", "Begin a new conversation", priority=True
    ),
    _key(
        "ctrl+o",
        "app.sessions",
        "Sessions",
        "sessions.open",
        "Find, continue, rename, delete",
        priority=True,
    ),
    _key("f4", "app.models", "Models", "models.open", "Find, use, download and delete models"),
    _key(
        "f7",
        "app.first_step(1)",
        "First choice",
        "first.have",
        "First start: use a model that is here",
        priority=True,
    ),
    _key(
        "f8",
        "app.first_step(2)",
        "Second choice",
        "first.download",
        "First start: download one",
        priority=True,
    ),
    _key(
        "f9",
        "app.first_step(3)",
        "Third choice",
        "first.stay",
        "First start: stay on the demo model",
        priority=True,
    ),
    _key(
        "f5",
        "app.continue_last",
        "Continue",
        "chat.continue",
        "Go on with the cut-off or last chat",
    ),
    _key("f1", "help", "Help", "app.help", "Show every key", priority=True),
    _key(
        "pageup",
        "scroll_transcript(-1)",
        "Page up",
        "transcript.page_up",
        "Scroll up",
        priority=True,
    ),
    _key(
        "pagedown",
        "scroll_transcript(1)",
        "Page down",
        "transcript.page_down",
        "Scroll down",
        priority=True,
    ),
]

APP_BINDINGS: list[BindingType] = [
    _key("ctrl+p", "command_palette", "Palette", "app.palette", "Find any command", priority=True),
    _key("ctrl+q", "quit", "Quit", "app.quit", "Save and leave", priority=True),
]

SESSIONS_BINDINGS: list[BindingType] = [
    _key("escape", "close", "Back", "sessions.close", "Back to the conversation"),
    _key("f4", "rename", "Rename", "sessions.rename", "Give it another title"),
    _key("f8", "delete", "Delete", "sessions.delete", "Delete it; Ctrl+Z brings it back"),
    _key("ctrl+z", "undo", "Undo", "sessions.undo", "Bring the deleted one back", priority=True),
]

MODELS_BINDINGS: list[BindingType] = [
    _key("escape,f4", "close", "Back", "models.close", "Back to the conversation"),
    _key("f2", "use_in_profile", "In profile", "models.profile", "Write it into the profile"),
    _key("f5", "download", "Download", "models.download", "Download it, or go on with that"),
    _key("f6", "stop_download", "Stop", "models.stop", "Stop its download; what came is kept"),
    _key("f8", "delete", "Delete", "models.delete", "Move it to the trash, after a question"),
]

FIRST_STEPS_BINDINGS: list[BindingType] = [
    _key("escape,q", "dismiss", "Later", "steps.close", "Choose later"),
]

HELP_BINDINGS: list[BindingType] = [
    _key("escape,f1,q", "dismiss", "Close", "help.close", "Close the help"),
]

TRUST_BINDINGS: list[BindingType] = [
    _key("escape,q", "answer(False)", "Not now", "trust.refuse", "Leave the keys out"),
    _key("f8", "answer(True)", "Trust", "trust.give", "Let the project's profiles have their keys"),
]


BINDING_GROUPS: tuple[tuple[str, list[BindingType]], ...] = (
    ("Prompt", PROMPT_BINDINGS),
    ("Conversation", CHAT_BINDINGS),
    ("Sessions screen", SESSIONS_BINDINGS),
    ("Models screen (letters in the list: u d c /)", MODELS_BINDINGS),
    ("Everywhere", APP_BINDINGS),
)
"""For the help screen, in order."""
