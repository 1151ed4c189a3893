"""`llm-tui models remove`: to the trash, after asking."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from tui.command_line.failure import Failure
from tui.command_line.options import debug_option, json_option
from tui.command_line.printing import print_json


@click.command("remove")
@click.argument("names", nargs=-1, required=True, metavar="MODEL...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--permanent", is_flag=True, help="Delete for good instead of using the trash.")
@json_option
@debug_option
def remove(names: tuple[str, ...], yes: bool, permanent: bool, as_json: bool) -> None:
    """Move MODELs to the system's trash.

    What Ollama holds is Ollama's to remove.
    """
    from engines.memory import size_text
    from engines.model_files.removal import plan_removal, remove_model
    from tui.command_line.models_show import find_user_model
    from tui.model_folders import find_user_models
    from tui.sanitize import one_line

    models = find_user_models()
    removals = []
    for name in names:
        found = find_user_model(name)
        same = next((model for model in models if model.path == found.path), found)
        removals.append(plan_removal(same, models))
    verb = "Delete for good" if permanent else "Move to the trash"
    for removal in removals:
        size = size_text(removal.size_bytes)
        places = ", ".join(str(path) for path in removal.paths)
        if not yes:
            click.echo(one_line(f"{places} {removal.note}"), err=True)
            question = one_line(f"{verb}: {removal.model.reference} ({size})?")
            click.confirm(question, abort=True, err=True)
    for removal in removals:
        remove_model(removal, _discarder(permanent))
    if as_json:
        print_json({"removed": [removal.model.reference for removal in removals]})
    else:
        for removal in removals:
            click.echo(f"Removed {one_line(removal.model.reference)}.", err=True)


def _discarder(permanent: bool) -> Callable[[Path], None]:
    from engines.model_files.removal import delete_for_good

    return delete_for_good if permanent else _move_to_trash


def _move_to_trash(path: Path) -> None:
    from send2trash import send2trash

    try:
        send2trash(path)
    except OSError as error:
        raise Failure(
            f"{path} cannot be moved to the trash: {error}.",
            "Give --permanent to delete it for good.",
        ) from error
