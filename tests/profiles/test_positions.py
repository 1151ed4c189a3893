from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from profiles.layers import BUILTIN_ORDER
from profiles.positions import KeyPath, key_positions

DOCUMENT = '''\
# top_k = 1
title = "a # b = c \\" d"   # model = 1
stop = [
  "x = 1", # y = 2
  """
three = 3
""", 'z = 4',
]
system_prompt = """
model = "inner"
\\""" still inside """

  sampling.temperature = 0.5
model = { mlx = "a", "llama.cpp" = "b", deep = { k = [1, { l = 2 }] } }
when = 1979-05-27 07:32:00
literal = \'\'\'
kv_type = "f16"\'\'\'
[permissions]   # run = "allow"
read = "allow"
  [ "a.b" . c ]
\td = 1
[[many]]
e = 1
[[many]]
e = 2
'''


def paths_of(table: dict[str, Any], above: KeyPath = ()) -> set[KeyPath]:
    found = set()
    for key, value in table.items():
        found.add((*above, key))
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                found |= paths_of(inner, (*above, key))
    return found


def test_every_key_is_found_where_it_stands_and_nothing_else() -> None:
    found = key_positions(DOCUMENT)
    assert set(found) >= paths_of(tomllib.loads(DOCUMENT))
    assert not {("top_k",), ("three",), ("kv_type",), ("run",)} & set(found)
    lines = DOCUMENT.splitlines()
    for path, (line, column) in found.items():
        rest = lines[line - 1][column - 1 :]
        assert rest.startswith((path[-1], f'"{path[-1]}"')), path
    assert found["model", "llama.cpp"].line == 14
    assert found["permissions", "read"] == (19, 1)
    assert found["a.b", "c", "d"] == (21, 2)
    assert found["many", "e"].line == 23


@pytest.mark.parametrize("name", BUILTIN_ORDER)
def test_every_key_of_the_built_in_profiles_is_found(name: str) -> None:
    text = (Path("profiles/builtin") / f"{name}.toml").read_text()
    assert set(key_positions(text)) == paths_of(tomllib.loads(text))


@pytest.mark.parametrize("text", ["", "\n\n", "# only this", "= 1", "a = [[[", "{", '"""', "a\\"])
def test_it_ends_whatever_it_is_given(text: str) -> None:
    assert len(key_positions(text)) <= 1
