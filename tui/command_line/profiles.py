"""`llm-tui profiles`: which profiles there are, what they say, whether they work here."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from tui.command_line.options import debug_option, json_option
from tui.command_line.printing import print_json, print_table
from tui.command_line.profile_changes import edit, new, path, set_value, unset_value, use
from tui.command_line.profile_trust import trust
from tui.command_line.profiles_recommend import recommend_profiles
from tui.sanitize import one_line

if TYPE_CHECKING:
    from profiles.errors import ProfileError
    from profiles.loader import ProfileCatalog
    from profiles.schema import Profile


@click.group()
def profiles() -> None:
    """Show, check and change the profiles."""


for command in (set_value, unset_value, use, new, edit, path, trust, recommend_profiles):
    profiles.add_command(command)


@profiles.command("list")
@json_option
@debug_option
def list_profiles(as_json: bool) -> None:
    """List every profile, broken ones included."""
    catalog = _catalog()
    if as_json:
        working = [_as_json(profile) for profile in catalog.profiles.values()]
        broken = [_broken_as_json(name, [*error.all]) for name, error in catalog.errors.items()]
        print_json(working + broken)
        return
    rows = [
        (
            profile.name,
            _engine(profile),
            profile.model,
            profile.draft_model or "",
            profile.layer,
            profile.description or profile.task or "",
        )
        for profile in catalog.profiles.values()
    ]
    rows += [(name, "broken", "", "", "", error.message) for name, error in catalog.errors.items()]
    print_table(("NAME", "ENGINE", "MODEL", "DRAFT", "FROM", "FOR"), rows)


@profiles.command("show")
@click.argument("name")
@json_option
@debug_option
def show_profile(name: str, as_json: bool) -> None:
    """Show every setting of the profile NAME."""
    profile = _catalog().get(name)
    values = _as_json(profile)
    if as_json:
        print_json(values)
        return
    for table in ("sampling", "permissions"):
        inner = values.pop(table)
        values |= {f"{table}.{key}": value for key, value in inner.items()}
    print_table((), [(key, _shown(value)) for key, value in values.items()])


@profiles.command("check")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
@debug_option
@click.pass_context
def check_profiles(ctx: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """Check that engine, model and draft of every profile are there; 1 if one is broken."""
    problems = _problems(names)
    if as_json:
        print_json(
            [
                _broken_as_json(name, errors) if errors else _working_as_json(name)
                for name, errors in problems.items()
            ]
        )
    else:
        width = max(map(len, problems), default=0)
        for name, errors in problems.items():
            works = ["works", *(f"warning: {warning}" for warning in _warnings(name, errors))]
            for line in [f"broken: {e.message} {e.hint}" for e in errors] or works:
                click.echo(f"{name:{width}}  {one_line(line)}")
    ctx.exit(1 if any(problems.values()) else 0)


@profiles.command("schema")
@debug_option
def print_schema() -> None:
    """Print a JSON Schema of a profile's file, for editors."""
    from profiles.json_schema import profile_json_schema_text

    click.echo(profile_json_schema_text(), nl=False)


def _problems(names: tuple[str, ...]) -> dict[str, list[ProfileError]]:
    """The errors of each named profile (of every one where no name is given)."""
    from profiles.checking import check_profile

    catalog = _catalog()
    problems: dict[str, list[ProfileError]] = {}
    for name in names or [*catalog.profiles, *catalog.errors]:
        broken = catalog.errors.get(name)
        problems[name] = [*broken.all] if broken else check_profile(catalog.get(name))
    return problems


def _warnings(name: str, errors: list[ProfileError]) -> list[str]:
    from profiles.checking import warnings_for

    return [] if errors else warnings_for(_catalog().get(name))


def _working_as_json(name: str) -> dict[str, Any]:
    warnings = _warnings(name, [])
    return {"name": name, "works": True} | ({"warnings": warnings} if warnings else {})


def _catalog() -> ProfileCatalog:
    from tui.paths import app_paths
    from tui.profile_folders import load_catalog

    return load_catalog(app_paths())


def _engine(profile: Profile) -> str:
    """The engine that would run the profile here."""
    from engines.errors import EngineError
    from profiles.resolve import load_request

    try:
        return load_request(profile).engine
    except EngineError:
        return f"{profile.engine} (missing)"


def _as_json(profile: Profile) -> dict[str, Any]:
    values = asdict(profile) | {"engine_here": _engine(profile)}
    if profile.keep_alive_s == math.inf:
        values["keep_alive_s"] = "forever"  # JSON has no infinity
    return values


def _broken_as_json(name: str, errors: list[ProfileError]) -> dict[str, Any]:
    return {
        "name": name,
        "works": False,
        "errors": [
            {
                "file": error.file,
                "line": error.line,
                "column": error.column,
                "key": error.key,
                "message": error.message,
                "hint": error.hint,
            }
            for error in errors
        ],
    }


def _shown(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value) or "—"
    return str(value) if value != "" else "—"
