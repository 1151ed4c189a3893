"""Puts text on the reader's clipboard, over SSH and inside tmux too."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from collections.abc import Mapping

from textual.app import App

SENT = "sent to the terminal"
COPIED = "copied"

_NATIVE = {"darwin": (("pbcopy",),), "linux": (("wl-copy",), ("xclip", "-selection", "clipboard"))}
_TIMEOUT_S = 2.0


def copy_text(app: App[object], text: str, environ: Mapping[str, str]) -> str:
    """Copy `text`; returns words for the reader on what was done.

    The terminal is always asked (OSC 52), since only it knows the clipboard of a reader who is
    connected over SSH; whether it obeys cannot be told. A local session also uses the system's own
    clipboard program, which can be relied on.
    """
    app.copy_to_clipboard(text)
    driver = app._driver
    if driver and "TMUX" in environ and _tmux("show", "-gv", "allow-passthrough") in ("on", "all"):
        driver.write(tmux_passthrough(text))
    return COPIED if _is_local(environ) and _copy_natively(text, environ) else SENT


def tmux_passthrough(text: str) -> str:
    """An OSC 52 sequence that tmux hands on to the terminal around it."""
    encoded = base64.b64encode(text.encode("utf-8")).decode("ascii")
    return f"\x1bPtmux;\x1b\x1b]52;c;{encoded}\x07\x1b\\"


def _is_local(environ: Mapping[str, str]) -> bool:
    """Whether the terminal is on this machine; tmux knows where its client came from."""
    if "TMUX" in environ:
        connection = _tmux("show-environment", "SSH_CONNECTION")
        return not connection or connection.startswith("-")
    return "SSH_CONNECTION" not in environ and "SSH_TTY" not in environ


def _copy_natively(text: str, environ: Mapping[str, str]) -> bool:
    for command in _NATIVE.get(sys.platform, ()):
        is_wayland = command[0] == "wl-copy"
        if (
            sys.platform == "linux"
            and ("WAYLAND_DISPLAY" if is_wayland else "DISPLAY") not in environ
        ):
            continue
        if shutil.which(command[0]) and _run([*command], text) is not None:
            return True
    return False


def _tmux(*arguments: str) -> str:
    return (_run(["tmux", *arguments]) or "").strip()


def _run(command: list[str], text: str = "") -> str | None:
    """Output of `command`, or None where it failed."""
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
