from __future__ import annotations

import pytest

from coding.code_blocks import CodeBlock, code_blocks


def test_blocks_come_in_order_with_their_language() -> None:
    text = "Look:\n```python title=x\na = 1\n```\n- item\n  ~~~\n  ```\n  ~~~\nend\n```sh\nls"
    assert code_blocks(text) == [
        CodeBlock("python", "a = 1\n"),
        CodeBlock("", "```\n"),
        CodeBlock("sh", "ls"),
    ]


def test_text_without_a_fence_has_no_block() -> None:
    assert code_blocks("`inline` and    indented") == []


@pytest.mark.parametrize(
    ("block", "name"),
    [
        (
            CodeBlock("python", "import os\ndef parse_version(text):\n    ..."),
            "parse_version.py",
        ),
        (CodeBlock("Rust", "fn main() {}"), "main.rs"),
        (CodeBlock("", "hello"), "snippet.txt"),
        (CodeBlock("python", "class Point:\n    def area(self): ..."), "point.py"),
    ],
)
def test_the_suggested_name_follows_the_first_definition(block: CodeBlock, name: str) -> None:
    assert block.suggested_name == name
