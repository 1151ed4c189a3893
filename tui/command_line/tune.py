"""`llm-tui tune`: the fastest settings for a profile, measured on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tui.command_line.options import debug_option, json_option
from tui.command_line.printing import print_json, print_table

if TYPE_CHECKING:
    from profiles.schema import Profile
    from profiles.tuning import TuneResult

DEFAULT_MINUTES = 3.0


@click.command()
@click.argument("name", metavar="PROFILE")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0.05, max=120),
    default=DEFAULT_MINUTES,
    show_default=True,
    help="Time to take; what does not fit in is left out, and told.",
)
@click.option("--dry-run", is_flag=True, help="Measure and show, and write nothing.")
@json_option
@debug_option
@click.pass_context
def tune(ctx: click.Context, /, name: str, minutes: float, dry_run: bool, as_json: bool) -> None:
    """Measure engines, drafts, KV cache types and more for PROFILE, and keep the fastest.

    What decides is how long a turn takes that is usual for the profile's task. The settings are
    written into your profile with their figures; a built-in profile gets one of yours that extends
    it. Leaves with 1 where no engine ran it.
    """
    from tui.command_line.tuning_run import run_tuning, tuned_profile

    profile = tuned_profile(name)
    result = run_tuning(profile, minutes * 60, keeps_figures=not dry_run, report=_report)
    written = None if dry_run or not result.chosen else _write(profile, result)
    if as_json:
        print_json(_as_json(profile, result, written))
    else:
        _print(profile, result, written, dry_run)
    ctx.exit(0 if result.after_s is not None else 1)


def _write(profile: Profile, result: TuneResult) -> Path:
    from profiles.writing import set_key, writable_file
    from tui.command_line.tuning_run import comments
    from tui.paths import app_paths
    from tui.profile_folders import keeping_trust

    paths = app_paths()
    path = writable_file(profile, paths.profiles)
    notes = comments(result)
    with keeping_trust(paths, path):
        for key, value in result.chosen.items():
            set_key(path, key, value, comment=notes.get(key))
    return path


def _print(profile: Profile, result: TuneResult, written: Path | None, dry_run: bool) -> None:
    from profiles.routing import engine_title

    rows = [
        (
            engine_title(trial.engine),
            trial.name,
            _figure(trial.figures.prefill_tps, 0),
            _figure(trial.figures.decode_tps, 1),
            _figure(trial.turn_s, 2),
            trial.verdict,
        )
        for trial in result.trials
    ]
    columns = ("ENGINE", "TRIED", "PREFILL tok/s", "DECODE tok/s", "TURN s", "")
    print_table(columns, rows)
    turn = result.turn
    click.echo(
        f"\nTurn: {turn.prompt_tokens:,} tokens in, {turn.answer_tokens:,} out, nothing cached."
        " The fastest of a few runs counts."
    )
    if result.left_out:
        click.echo(f"No time for: {', '.join(result.left_out)}. Give it more: --minutes N.")
    if result.confirmation:
        click.echo(f"{result.confirmation[0].upper()}{result.confirmation[1:]}.")
    click.echo(_outcome(profile, result, written, dry_run))


def _outcome(profile: Profile, result: TuneResult, written: Path | None, dry_run: bool) -> str:
    from tui.command_line.tuning_run import comments

    if not any(trial.turn_s for trial in result.trials):
        return "Nothing ran, so nothing is changed."
    if not result.chosen:
        return f"The profile {profile.name} stays as it is: nothing was clearly faster."
    notes = comments(result)
    lines = [
        f"  {key} = {_toml(value)}  # {notes.get(key, '')}" for key, value in result.chosen.items()
    ]
    head = f"Written to {written}:" if written else f"For {profile.name}:"
    tail = ["Nothing was written (--dry-run)."] if dry_run else []
    return "\n".join([head, *lines, *tail])


def _as_json(profile: Profile, result: TuneResult, written: Path | None) -> dict[str, Any]:
    from tui.command_line.tuning_run import comments

    return {
        "profile": profile.name,
        "task": profile.task,
        "turn": {
            "prompt_tokens": result.turn.prompt_tokens,
            "answer_tokens": result.turn.answer_tokens,
        },
        "trials": [trial.to_json() for trial in result.trials],
        "chosen": dict(result.chosen),
        "comments": comments(result),
        "before_s": result.before_s,
        "after_s": result.after_s,
        "confirmation": result.confirmation,
        "left_out": list(result.left_out),
        "written": str(written) if written else None,
    }


def _figure(value: float | None, digits: int) -> str:
    return "—" if value is None else f"{value:,.{digits}f}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _report(line: str) -> None:
    click.echo(line, err=True)
