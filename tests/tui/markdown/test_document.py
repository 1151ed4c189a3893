"""Parsing and layout of Markdown that arrives in pieces."""

from __future__ import annotations

import random

import pytest

from tui.markdown.document import MarkdownDocument
from tui.markdown.lines import Line, runs_width

SNIPPETS = [
    "# Heading *one*\n",
    "Setext\n======\n",
    "A paragraph with **strong**, `code`, [a link](https://example.com) and\na second line.\n",
    "A list:\n- one\n- two\n  continued\n- three\n",
    "1. one\n1. two\n1. three\n",
    "- loose one\n\n- loose two\n\n  with a paragraph\n",
    "- a\n  - b\n    - c\n  1. d\n- [ ] e\n- [x] f\n",
    "* other\n\n- list\n",
    "```python\ndef f(x: int) -> str:\n\treturn f'{x}'  # text\n\n```\n",
    "~~~~\n```\nnot the end\n~~~~\n",
    "```\nno language\n```\nright after\n",
    "- item\n  ```sh\n  echo hi\n  ```\n- next\n",
    "> quote\n> - item\n>\n> more\nlazy\n",
    "| a | b |\n|:--|--:|\n| 1 | two |\n| `x|y` | **3** |\n",
    "---\n",
    "    indented code\n\n    goes on\n",
    "text\n#hashtag, no heading\n",
    "text\n```x` no fence\n",
    "[reference][r] before\n\n[r]: https://example.org\n",
    "Maths $a_1*b$ and \\(c_1*d\\) and $$e*f*g$$.\n",
    "<b>html</b> &amp; &#x202e; &lt;\n",
    "\x1b[31mred\x1b[0m and \x1b]8;;http://x\x07link\x1b]8;;\x07\n",
    "日本語のテキスト、長い文章。" * 6 + "\n",
]


def rendered(chunks: list[str], width: int = 40) -> list[Line]:
    document = MarkdownDocument()
    for chunk in chunks:
        document.append(chunk)
        document.lay_out(width)
    document.finish()
    document.lay_out(width)
    return document.lines


def texts(markdown: str, width: int = 40) -> list[str]:
    return [line.text.rstrip() for line in rendered([markdown], width)]


def cut(text: str, chance: random.Random) -> list[str]:
    chunks = []
    while text:
        length = chance.choice([1, 1, 2, 3, 7, 20, 60])
        chunks.append(text[:length])
        text = text[length:]
    return chunks


@pytest.mark.parametrize("seed", range(60))
def test_streaming_equals_rendering_at_once(seed: int) -> None:
    chance = random.Random(seed)
    parts = chance.choices(SNIPPETS, k=chance.randint(1, 8))
    text = "".join(part + chance.choice(["", "\n", "\n\n"]) for part in parts)
    text = text[: chance.randint(1, len(text))] if chance.random() < 0.3 else text
    expected = rendered([text])
    assert rendered(cut(text, chance)) == expected
    assert rendered(list(text)) == expected


@pytest.mark.parametrize("snippet", SNIPPETS)
@pytest.mark.parametrize("width", [8, 23, 80])
def test_no_line_is_wider_than_asked(snippet: str, width: int) -> None:
    for line in rendered([snippet], width):
        assert runs_width(line.runs) <= width, line.text


def test_lay_out_tells_the_first_changed_line() -> None:
    document = MarkdownDocument()
    document.append("one\n\ntwo\n\nthree")
    assert document.lay_out(40) == 0
    document.append(" and more")
    assert document.lay_out(40) == 4
    assert document.lay_out(40) == len(document.lines)
    assert document.lay_out(8) == 4


def test_finished_blocks_are_the_same_lines_after_more_text() -> None:
    document = MarkdownDocument()
    document.append("# Title\n\n```py\nx = 1\ny = 2\n")
    document.lay_out(40)
    before = list(document.lines)
    document.append("z = 3\n")
    document.lay_out(40)
    assert all(old is new for old, new in zip(before, document.lines, strict=False))
    assert document.lines[-1].text.strip() == "z = 3"


def test_lists_nest_and_number() -> None:
    assert texts("3. a\n3. b\n   - c\n     - d\n- [ ] e\n- [x] f") == [
        "3. a",
        "4. b",
        "   ◦ c",
        "     ▪ d",
        "",
        "☐ e",
        "☑ f",
    ]


def test_loose_items_are_apart_and_tight_ones_are_not() -> None:
    assert texts("- a\n- b\n\n- c\n\n  d") == ["• a", "• b", "", "• c", "", "  d"]


def test_long_ordered_lists_keep_their_numbers_while_streaming() -> None:
    lines = rendered(list("".join(f"1. item {i}\n" for i in range(12))))
    assert [line.text for line in lines][-1] == "12. item 11"


def test_table_columns_are_aligned_and_fit() -> None:
    table = "| name | n |\n|---|---:|\n| a | 1 |\n| much longer name than fits | 20 |"
    assert texts(table, 24) == [
        "name                │  n",
        "────────────────────┼───",
        "a                   │  1",
        "much longer name    │ 20",
        "than fits           │",
    ]


def test_table_that_cannot_fit_is_a_list_of_records() -> None:
    lines = texts("| aaaa | bbbb | cccc |\n|--|--|--|\n| some | more | text |", 12)
    assert lines == ["aaaa: some", "bbbb: more", "cccc: text"]


def test_code_has_a_label_and_colors_only_when_the_language_is_known() -> None:
    lines = rendered(["```python\nimport os\n```\n\n```nonsense-9\nimport os\n```"])
    assert [line.text.strip() for line in lines] == [
        "python", "import os", "", "nonsense-9", "import os"
    ]  # fmt: skip
    assert "keyword" in lines[1].runs[1].style
    assert [run.style for run in lines[4].runs[1:]] == ["block"]


def test_long_code_lines_wrap_or_are_clipped() -> None:
    document = MarkdownDocument()
    document.append("```\n" + "x" * 50 + "\n```\n")
    document.finish()
    document.lay_out(20)
    assert "".join(line.text.strip() for line in document.lines[1:]) == "x" * 50
    document.lay_out(20, wraps_code=False)
    assert [line.text.strip() for line in document.lines[1:]] == ["x" * 17 + "…"]


def test_code_blocks_give_the_source() -> None:
    document = MarkdownDocument()
    document.append("```py\na\n\tb\n```\n- x\n  ```\n  c\n  ```\n\n```sh\nstill")
    assert [(block.language, block.code) for block in document.code_blocks()] == [
        ("py", "a\n\tb\n"),
        ("", "c\n"),
        ("sh", ""),
    ]
    document.finish()
    assert document.code_blocks()[-1].code == "still\n"


def test_undecided_last_line_waits() -> None:
    document = MarkdownDocument()
    document.append("text\n--")
    document.lay_out(40)
    assert [line.text for line in document.lines] == ["text"]
    document.append("- not a rule")
    document.lay_out(40)
    assert "".join(line.text for line in document.lines) == "text --- not a rule"


def test_html_and_maths_are_literal() -> None:
    assert texts("<script>*a*</script> $a*b*c$ \\(d*e*\\)", 80) == [
        "<script>a</script> $a*b*c$ \\(d*e*\\)"
    ]


@pytest.mark.parametrize(
    ("url", "is_link"),
    [
        ("https://example.com/a?b=c", True),
        ("http://example.com", True),
        ("mailto:a@example.com", True),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
        ("vscode://x", False),
    ],
)
def test_only_web_and_mail_links_open(url: str, is_link: bool) -> None:
    links = [run.link for line in rendered([f"see [text]({url})"]) for run in line.runs]
    assert (url in links) is is_link
    assert is_link or not any(links)


def test_bare_urls_are_links() -> None:
    runs = rendered(["see https://example.com/x_y, then"], 80)[0].runs
    assert [run.text for run in runs if run.link] == ["https://example.com/x_y"]


def test_wide_characters_wrap_by_cells() -> None:
    assert texts("日本語テスト", 8) == ["日本語テ", "スト"]


def test_wrapped_lines_say_how_they_join() -> None:
    lines = rendered(["alpha beta gamma\n\ndelta"], 11)
    assert [(line.text, line.join) for line in lines] == [
        ("alpha beta", "\n"),
        ("gamma", " "),
        ("", "\n"),
        ("delta", "\n"),
    ]
