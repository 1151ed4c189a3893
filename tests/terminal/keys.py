"""The bytes that a terminal sends for a key."""

from __future__ import annotations

ESCAPE_CODES_FLAG, ALL_KEYS_FLAG, TEXT_FLAG = 1, 8, 16
KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "backspace": "\x7f",
    "space": " ",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "delete": "\x1b[3~",
    "shift+tab": "\x1b[Z",
    "shift+f2": "\x1b[1;2Q",
    "alt+enter": "\x1b\r",
    "shift+enter": "\x1b[13;2u",
    "f1": "\x1bOP",
    "f2": "\x1bOQ",
    "f3": "\x1bOR",
    "f4": "\x1bOS",
    "f5": "\x1b[15~",
    "f6": "\x1b[17~",
    "f7": "\x1b[18~",
    "f8": "\x1b[19~",
    "f9": "\x1b[20~",
}


def encode_key(key: str, keyboard_flags: int = 0) -> bytes:
    """What a terminal sends for `key`: one character, a name, or `ctrl+` and a letter.

    `keyboard_flags` are those the program has set in the kitty keyboard protocol.
    """
    if key.startswith("ctrl+"):
        letter = key.removeprefix("ctrl+")
        if keyboard_flags & ESCAPE_CODES_FLAG:
            return f"\x1b[{ord(letter)};5u".encode()
        return bytes([ord(letter.upper()) & 31])
    if keyboard_flags & ESCAPE_CODES_FLAG and key == "escape":
        return b"\x1b[27u"
    if keyboard_flags & ALL_KEYS_FLAG:
        return _encode_as_code(key, keyboard_flags)
    return KEYS.get(key, key).encode()


def _encode_as_code(key: str, keyboard_flags: int) -> bytes:
    if key in ("enter", "tab", "backspace"):
        return f"\x1b[{ord(KEYS[key])}u".encode()
    if len(key) > 1:
        return KEYS[key].encode()
    text = f";;{ord(key)}" if keyboard_flags & TEXT_FLAG else ""
    return f"\x1b[{ord(key.lower())}{text}u".encode()
