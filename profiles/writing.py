"""Changes profiles on disk, and leaves comments and everything else in them as it was.

set_key(path, "sampling.temperature", 0.2, comment="measured: 31 tok/s")
unset_key(path, "draft")
path = writable_file(profile, user_folder)      extends a built-in one in the user's folder
path = create_profile("fast", user_folder, extends="coding")
value = value_from_text("sampling.top_k", "40")     what was typed on a command line
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Item
from tomlkit.toml_document import TOMLDocument

from profiles.atomic import write_text
from profiles.errors import ProfileError
from profiles.json_schema import SCHEMA_NAME, profile_json_schema_text
from profiles.layers import read_profile_text
from profiles.positions import KeyPath, end_of_own_keys
from profiles.reading import Document, read_settings
from profiles.schema import Profile, setting_at

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def split_key(key: str) -> KeyPath:
    """The parts of a dotted key; a part with a dot of its own is in quotes, or an engine's name.

    Raises:
        ProfileError: no profile has such a key.
    """
    try:
        path = _parts(tomllib.loads(f"{key} = 0"))
    except tomllib.TOMLDecodeError:
        path = (key,)
    if path[1:] == ("llama", "cpp"):
        path = (path[0], "llama.cpp")
    if setting_at(path) is None:
        _checked(path, 0)
    return path


def value_from_text(key: str, text: str, folder: Path | None = None) -> Any:
    """`text` as the value that `key` takes: as it is where a text is meant, else as TOML.

    Args:
        folder: Where relative file names begin.

    Raises:
        ProfileError: there is no such key, or it cannot have this value.
    """
    path = split_key(key)
    try:
        return _checked(path, text, folder)
    except ProfileError as error:
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            raise error from None
        return _checked(path, value, folder)


def set_key(path: Path, key: str, value: Any, comment: str | None = None) -> None:
    """Give `key` (with the tables it lies in, such as `sampling.top_k`) a value in the file `path`.

    The file is written as a whole or not at all, and made where there is none.

    Args:
        value: As TOML has it: text, number, bool, list, or dict.
        comment: What to say behind it; None leaves the comment that is there.

    Raises:
        ProfileError: the key is unknown, the value is not for it, or the file cannot be changed.
    """
    keys = split_key(key)
    _checked(keys, value, path.parent)
    text = read_profile_text(path) if path.exists() else ""
    document = _parse(path, text)
    if len(keys) == 1 and keys[0] not in document and not isinstance(value, dict):
        document = _parse(path, _with_line_for(keys[0], text))
    table = _table_of(document, keys[:-1])
    table[keys[-1]] = value
    item = table[keys[-1]]
    if comment is not None and isinstance(item, Item):
        item.comment(" ".join(comment.split()))
    _write(path, document)


def unset_key(path: Path, key: str) -> bool:
    """Take `key` out of the file; False where it is not in there.

    Raises:
        ProfileError: the key is unknown, or the file cannot be changed.
    """
    keys = split_key(key)
    document = _parse(path, read_profile_text(path))
    table: Any = document
    for part in keys[:-1]:
        table = table.get(part) if isinstance(table, MutableMapping) else None
    if not isinstance(table, MutableMapping) or keys[-1] not in table:
        return False
    del table[keys[-1]]
    _write(path, document)
    return True


def writable_file(profile: Profile, user_folder: Path) -> Path:
    """The file of the user's, or the project's, that changes to `profile` go to.

    A built-in profile gets one in the user's folder that extends it.

    Raises:
        ProfileError: the file cannot be made.
    """
    if profile.origin != "builtin":
        return Path(profile.origin)
    path = user_folder / f"{profile.name}.toml"
    return path if path.exists() else create_profile(profile.name, user_folder, profile.name)


def create_profile(name: str, user_folder: Path, extends: str) -> Path:
    """A new file in the user's folder that has everything from `extends`.

    Raises:
        ProfileError: there is such a file, the name cannot be one, or it cannot be written.
    """
    path = user_folder / f"{name}.toml"
    if not _NAME.fullmatch(name):
        raise ProfileError(
            f"A profile cannot be called {name!r}.", "Use letters, digits, - and _ only."
        )
    if path.exists():
        raise ProfileError("is there already", "Choose another name, or edit it.", str(path))
    schema = user_folder.parent / SCHEMA_NAME
    document = tomlkit.document()
    document.add(tomlkit.comment(f":schema ../{SCHEMA_NAME}"))
    document.add("extends", tomlkit.item(extends))
    try:
        write_text(schema, profile_json_schema_text())
        write_text(path, tomlkit.dumps(document).replace("# :schema", "#:schema", 1))
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def _checked(path: KeyPath, value: Any, folder: Path | None = None) -> Any:
    """`value`, which the setting at `path` takes."""
    nested = value
    for part in reversed(path):
        nested = {part: nested}
    errors = read_settings(Document(nested, "", folder))[1]
    if errors:
        raise errors[0]
    if path[0] == "extends" and not _NAME.fullmatch(str(value)):
        raise ProfileError("must be the name of a profile", key="extends")
    return value


def _parts(table: Any) -> KeyPath:
    """The one key of a parsed `a.b.c = 0`."""
    path: KeyPath = ()
    while isinstance(table, dict):
        key, table = next(iter(table.items()))
        path = (*path, key)
    return path


def _with_line_for(key: str, text: str) -> str:
    """The text with a line for a new key, behind the last one that lies in no table.

    tomlkit would put it right before the first table, between that and the comment on it.
    """
    place = end_of_own_keys(text)
    if place is None:
        place = text.index("\n") + 1 if text.startswith("#:schema") and "\n" in text else 0
        gap = "\n" if text[place:].strip() else ""
        return f"{text[:place]}{key} = 0\n{gap}{text[place:]}"
    begin = text[:place] if text[:place].endswith("\n") else f"{text[:place]}\n"
    return f"{begin}{key} = 0\n{text[place:]}"


def _parse(path: Path, text: str) -> TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise ProfileError(
            f"is not valid TOML: {error}", "Correct it before it is changed.", str(path)
        ) from error


def _table_of(document: TOMLDocument, keys: KeyPath) -> MutableMapping[str, Any]:
    """The table at `keys`, made where it is missing or was something else."""
    table: MutableMapping[str, Any] = document
    for key in keys:
        if not isinstance(table.get(key), MutableMapping):
            table[key] = tomlkit.table()
        table = table[key]
    return table


def _write(path: Path, document: TOMLDocument) -> None:
    try:
        write_text(path, tomlkit.dumps(document))
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> ProfileError:
    return ProfileError(
        f"cannot be written ({error.strerror or error})", "Make the folder writable.", str(path)
    )
