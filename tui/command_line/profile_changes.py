"""`llm-tui profiles set|unset|use|new|edit|path`: changes to profiles."""

from __future__ import annotations

import click

from tui.command_line.options import debug_option, json_option
from tui.command_line.printing import print_json
from tui.sanitize import one_line


@click.command("set")
@click.argument("name")
@click.argument("key")
@click.argument("value")
@debug_option
def set_value(name: str, key: str, value: str) -> None:
    """Give KEY of the profile NAME a VALUE: profiles set coding sampling.temperature 0.2

    Comments and everything else in the file stay. A built-in profile gets a file of yours that
    extends it.
    """
    from profiles.writing import set_key, value_from_text
    from tui.paths import app_paths
    from tui.profile_folders import file_to_change, keeping_trust, load_catalog, profile_file

    paths = app_paths()
    catalog = load_catalog(paths)
    file = profile_file(catalog, name)
    parsed = value_from_text(key, value, file.parent if file else paths.profiles)
    file = file_to_change(catalog, name, paths)
    with keeping_trust(paths, file):
        set_key(file, key, parsed)
    _say_where(name)


@click.command("unset")
@click.argument("name")
@click.argument("key")
@debug_option
def unset_value(name: str, key: str) -> None:
    """Take KEY out of the file of the profile NAME; what it extends holds again."""
    from profiles.writing import unset_key
    from tui.command_line.failure import Failure
    from tui.paths import app_paths
    from tui.profile_folders import keeping_trust, load_catalog, profile_file

    paths = app_paths()
    file = profile_file(load_catalog(paths), name)
    if file is None:
        raise Failure(f"{name} is built in.", "Change it with: llm-tui profiles set")
    with keeping_trust(paths, file):
        if not unset_key(file, key):
            raise Failure(f"{file} has no {key}.")
    _say_where(name)


@click.command("use")
@click.argument("name")
@json_option
@debug_option
def use(name: str, as_json: bool) -> None:
    """Start with the profile NAME from now on."""
    from tui.config import START_PROFILE, set_config
    from tui.paths import app_paths
    from tui.profile_folders import load_catalog

    paths = app_paths()
    profile = load_catalog(paths).get(name)
    set_config(paths.config_file, START_PROFILE, profile.name)
    if as_json:
        print_json({START_PROFILE: profile.name, "file": str(paths.config_file)})
        return
    click.echo(f"{one_line(profile.title)} is what llm-tui starts with ({paths.config_file}).")


@click.command("new")
@click.argument("name")
@click.option(
    "--from", "base", default="chat", metavar="PROFILE", help="What it extends; chat by default."
)
@debug_option
def new(name: str, base: str) -> None:
    """Make a profile of yours, called NAME, that extends another one."""
    from profiles.writing import create_profile
    from tui.paths import app_paths
    from tui.profile_folders import load_catalog

    paths = app_paths()
    load_catalog(paths).get(base)
    click.echo(str(create_profile(name, paths.profiles, base)))


@click.command("edit")
@click.argument("name")
@debug_option
def edit(name: str) -> None:
    """Open the file of the profile NAME in your editor, and check it afterwards."""
    from tui.editor import edit_file
    from tui.paths import app_paths
    from tui.profile_folders import file_to_change, keeping_trust, load_catalog

    paths = app_paths()
    file = file_to_change(load_catalog(paths), name, paths)
    with keeping_trust(paths, file):
        edit_file(file)
    _say_where(name)


@click.command("path")
@click.argument("name")
@debug_option
def path(name: str) -> None:
    """Print where the file of the profile NAME is."""
    from importlib.resources import files

    from tui.paths import app_paths
    from tui.profile_folders import load_catalog, profile_file

    file = profile_file(load_catalog(app_paths()), name)
    builtin = files("profiles").joinpath("builtin", f"{name}.toml")
    click.echo(str(file if file is not None else builtin))


def _say_where(name: str) -> None:
    """The profile's file on standard output; an error where the change broke the profile."""
    from tui.paths import app_paths
    from tui.profile_folders import load_catalog, profile_file

    catalog = load_catalog(app_paths())
    click.echo(str(profile_file(catalog, name)))
    catalog.get(name)
