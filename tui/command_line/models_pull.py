"""`llm-tui models pull`: downloads a model, with a bar, and goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tui.command_line.failure import INTERRUPTED
from tui.command_line.options import debug_option, json_option

if TYPE_CHECKING:
    from engines.model_files.download_progress import DownloadProgress, Report


@click.command("pull")
@click.argument("reference", metavar="REPO[:QUANT]")
@click.option("--again", is_flag=True, help="Download it although LM Studio has it already.")
@json_option
@debug_option
@click.pass_context
def pull(ctx: click.Context, reference: str, again: bool, as_json: bool) -> None:
    """Download a model from Hugging Face, or from the mirror that HF_ENDPOINT names.

    Of a repository of GGUF files one quantization is taken: the one after the colon, or Q4_K_M.
    A download that stops goes on when it is started again. Prints where the model lies.
    """
    from engines.model_files.download import download
    from tui.command_line.download_bar import DownloadBar

    if not again and (path := _in_lm_studio(reference)) is not None:
        click.echo("LM Studio has it already; it is used from there.", err=True)
        _print_result(reference, path, as_json)
        return
    try:
        with DownloadBar() as bar:
            report: Report = _print_event if as_json else bar.report
            found = download(reference, report, lambda: False)
    except KeyboardInterrupt:
        click.echo("Stopped. The same command goes on from here.", err=True)
        ctx.exit(INTERRUPTED)
    if found is not None:
        _print_result(reference, found, as_json)


def _in_lm_studio(reference: str) -> Path | None:
    from engines.errors import EngineError
    from engines.model_files.finding.places import ModelPlaces, user_places
    from engines.model_files.reference import ModelReference, ReferenceKind, resolve

    named = ModelReference.parse(reference)
    if named.kind is not ReferenceKind.REPOSITORY:
        return None
    try:
        return resolve(named, places=ModelPlaces(lm_studio=user_places().lm_studio))
    except EngineError:
        return None


def _print_result(reference: str, path: Path, as_json: bool) -> None:
    if as_json:
        finished = {"event": "finished", "reference": reference, "path": str(path)}
        click.echo(json.dumps(finished))
    else:
        click.echo(path)
        click.echo(f"Chat with it: llm-tui --model {reference}", err=True)


def _print_event(progress: DownloadProgress) -> None:
    event = {
        "event": progress.stage.value,
        "file": progress.file,
        "done_bytes": progress.done_bytes,
        "total_bytes": progress.total_bytes,
        "speed_bytes_per_s": progress.speed_bytes_per_s,
        "remaining_s": progress.remaining_s,
        "note": progress.note,
    }
    click.echo(json.dumps(event))
