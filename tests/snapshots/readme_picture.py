"""Makes the pictures in docs/: the real app, driven by keys.

    python -m tests.snapshots.readme_picture

`screenshot` is a conversation with the embedded model, `markdown` one with the scripted engine.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import click
from rich.cells import cell_len
from textual.pilot import Pilot

from tui.app import LlmTuiApp
from tui.options import AppOptions
from tui.paths import AppPaths

COLUMNS, ROWS = 120, 40
FONTS = "'Fira Code', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
PNG_FONT = "DejaVu Sans Mono"
PNG_WIDTH_PX = 1600
TIMEOUT_S = 120.0
DOCS = Path(__file__).parents[2] / "docs"
_FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_ANSWERED = re.compile(r"\d tokens · ")
_TEXT = re.compile(
    r'x="(?P<x>[\d.]+)"(?P<y> y="[\d.]+") textLength="(?P<length>[\d.]+)"'
    r"(?P<clip>[^>]*)>(?P<text>[^<]*)<"
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A conversation to show."""

    name: str
    options: AppOptions
    questions: tuple[str, ...]


PICTURES = (
    Picture(
        "screenshot",
        AppOptions(profile="coding"),
        (
            "Write a Python function that adds two numbers",
            "Write a Python function that reverses a string",
        ),
    ),
    Picture(
        "markdown",
        AppOptions(
            engine="scripted",
            script=Path(__file__).with_name("readme_answer.md"),
            rate_tps=120,
        ),
        ("How should I choose between MLX and llama.cpp on my Mac?",),
    ),
)


@click.command(help=__doc__)
@click.argument("names", nargs=-1)
def main(names: tuple[str, ...]) -> None:
    DOCS.mkdir(exist_ok=True)
    for picture in PICTURES:
        if not names or picture.name in names:
            svg = asyncio.run(take(picture))
            (DOCS / f"{picture.name}.svg").write_text(for_browsers(svg))
            (DOCS / f"{picture.name}.png").write_bytes(as_png(svg))
            click.echo(f"docs/{picture.name}.svg and .png are made", err=True)


async def take(picture: Picture) -> str:
    """Run the app, hold the conversation, and give its screen as SVG."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        paths = AppPaths(home / "config", home / "data", home / "cache", home / "state")
        app = LlmTuiApp(picture.options, paths)
        async with app.run_test(size=(COLUMNS, ROWS)) as pilot:
            for number, question in enumerate(picture.questions, start=1):
                await ask(pilot, app, question, number)
            svg = app.export_screenshot(title="llm-tui")
        if app.services is not None:
            app.services.close()
    return svg


async def ask(pilot: Pilot[None], app: LlmTuiApp, question: str, number: int) -> None:
    """Type the question, send it, and wait for the end of its answer."""
    await pilot.press(*("space" if letter == " " else letter for letter in question), "enter")
    end_s = time.monotonic() + TIMEOUT_S
    while not _ANSWERED.search(shown_text(app).rpartition(question)[2]):
        if time.monotonic() > end_s:
            raise click.ClickException(f"No answer {number}:\n{shown_text(app)}")
        await pilot.pause(0.1)


def shown_text(app: LlmTuiApp) -> str:
    """The text on the screen, row after row."""
    rows = _TEXT.findall(app.export_screenshot())
    return unescape("".join(text for *_, text in rows)).replace("\xa0", " ")


def for_browsers(svg: str) -> str:
    """`svg` without fonts from the network."""
    return _FONT_FACE.sub("", svg).replace("Fira Code, monospace", FONTS)


def as_png(svg: str) -> bytes:
    """`svg` drawn with every character in its cell.

    Raises:
        OSError: the cairo library is not installed.
    """
    from cairosvg import svg2png

    placed = _TEXT.sub(_place_characters, for_browsers(svg).replace(FONTS, PNG_FONT))
    png: bytes = svg2png(bytestring=placed.encode(), output_width=PNG_WIDTH_PX)
    return png


def _place_characters(match: re.Match[str]) -> str:
    text = unescape(match["text"])
    widths = [cell_len(character) for character in text]
    cell = float(match["length"]) / max(1, sum(widths))
    places = [float(match["x"]) + cell * sum(widths[:index]) for index in range(len(text))]
    x = " ".join(f"{place:.2f}" for place in places)
    return f'x="{x}"{match["y"]}{match["clip"]}>{match["text"]}<'


if __name__ == "__main__":
    main()
