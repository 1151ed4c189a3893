"""Colors code with Pygments: whole, or line by line while it is being written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tui.markdown.lines import Run

if TYPE_CHECKING:
    from pygments.lexer import Lexer

_TAB_SIZE = 4
_LONGEST = 200_000
"""Characters; longer code is shown without colors."""

_STYLES = {
    "Comment": "comment",
    "Keyword": "keyword",
    "Keyword.Constant": "constant",
    "Keyword.Type": "type",
    "Operator.Word": "keyword",
    "Name.Builtin": "builtin",
    "Name.Class": "type",
    "Name.Constant": "constant",
    "Name.Decorator": "decorator",
    "Name.Exception": "type",
    "Name.Function": "function",
    "Name.Tag": "keyword",
    "Name.Attribute": "decorator",
    "Name.Variable": "variable",
    "Literal.String": "string",
    "Literal.Number": "number",
    "Generic.Inserted": "inserted",
    "Generic.Deleted": "deleted",
    "Generic.Heading": "keyword",
    "Generic.Subheading": "keyword",
}
"""Token type → style name; a type that is not here takes its parent's."""

Runs = tuple[Run, ...]


@lru_cache(maxsize=32)
def find_lexer(language: str) -> Lexer | None:
    """The lexer for the label of a code fence, or None."""
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    if not language:
        return None
    try:
        return get_lexer_by_name(language.lower(), stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


@lru_cache(maxsize=64)
def color_code(language: str, code: str) -> tuple[Runs, ...]:
    """The lines of finished `code`, in the colors of `language`; one style where it is unknown."""
    lexer = find_lexer(language)
    code = code.expandtabs(_TAB_SIZE)
    if lexer is None or len(code) > _LONGEST:
        return plain_code(code)
    return tuple(_lines(lexer.get_tokens(code)))


def plain_code(code: str) -> tuple[Runs, ...]:
    """The lines of `code` without colors."""
    return tuple(_plain_line(line.expandtabs(_TAB_SIZE)) for line in code.split("\n"))


class LineColorer:
    """Colors code that is still being written, each line once.

    A lexer's state is carried from line to line; a pattern that spans lines is only recognized when
    the finished block is colored as a whole.
    """

    def __init__(self, language: str) -> None:
        self._lexer = find_lexer(language)
        self._context: Any = None

    def color(self, line: str) -> Runs:
        """The runs of the next line (without its newline)."""
        line = line.expandtabs(_TAB_SIZE)
        if not hasattr(self._lexer, "_tokens"):
            return _plain_line(line)
        try:
            return next(_lines(self._tokens(line + "\n")), ())
        except TypeError:  # a lexer whose callbacks know no context
            self._lexer = None
            return _plain_line(line)

    def _tokens(self, text: str) -> Iterator[tuple[Any, str]]:
        from pygments.lexer import ExtendedRegexLexer, LexerContext

        stack = self._context.stack if self._context else ["root"]
        self._context = LexerContext(text, 0, stack)
        read: Any = ExtendedRegexLexer.get_tokens_unprocessed
        for _, token_type, value in read(self._lexer, context=self._context):
            yield token_type, value


def _plain_line(line: str) -> Runs:
    return (Run(line, "block"),) if line else ()


def _lines(tokens: Iterable[tuple[Any, str]]) -> Iterator[Runs]:
    """Lines of runs: white space takes the style in front of it, equal neighbors are one run."""
    line: list[Run] = []
    for token_type, value in tokens:
        style = _style_of(token_type)
        for index, part in enumerate(value.split("\n")):
            if index:
                yield tuple(line)
                line = []
            if not part:
                continue
            if line and (line[-1].style == style or part.isspace()):
                line[-1] = Run(line[-1].text + part, line[-1].style)
            else:
                line.append(Run(part, style))
    yield tuple(line)


@lru_cache(maxsize=512)
def _style_of(token_type: Any) -> str:
    while token_type:
        if name := _STYLES.get(str(token_type)[len("Token.") :]):
            return f"block {name}"
        token_type = token_type.parent
    return "block"
