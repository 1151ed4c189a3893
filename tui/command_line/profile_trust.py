"""`llm-tui profiles trust`: whether a project's profiles may do everything."""

from __future__ import annotations

from pathlib import Path

import click

from tui.command_line.failure import Failure
from tui.command_line.options import debug_option
from tui.sanitize import one_line


@click.command()
@click.argument(
    "folder",
    required=False,
    metavar="[DIR]",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--forget", is_flag=True, help="Trust it no more.")
@debug_option
def trust(folder: Path | None, forget: bool) -> None:
    """Let the profiles of the project in DIR (or here) name files and widen permissions.

    Trust holds for the profiles as they are now; when one changes, give it again.
    """
    from profiles.layers import project_root
    from profiles.trust import TrustList
    from tui.paths import app_paths
    from tui.profile_folders import load_catalog, project_folder

    paths = app_paths()
    profiles = project_folder(folder)
    if profiles is None:
        raise Failure(
            f"There are no project profiles in {folder or Path.cwd()}.",
            "They are looked for in .llm-tui/profiles, up to the repository's folder.",
        )
    trusted, root = TrustList(paths.trusted_folders), project_root(profiles)
    if forget:
        was_trusted = trusted.forget(profiles)
        click.echo(f"{root} is not trusted{' any more' if was_trusted else ''}.")
        return
    for profile in load_catalog(paths, folder).restricted:
        click.echo(one_line(f"{profile.name}: {', '.join(profile.ignored)} will count"))
    trusted.trust(profiles)
    click.echo(f"{root} is trusted until its profiles change.")
