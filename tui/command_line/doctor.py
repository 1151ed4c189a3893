"""`llm-tui doctor`: what works here, what does not, and the command that mends it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from tui.command_line.options import debug_option, json_option
from tui.command_line.printing import print_json
from tui.sanitize import one_line

if TYPE_CHECKING:
    from engines.hardware import Machine
    from engines.self_check import SelfCheck
    from tui.command_line.checks import Finding

_MARKS = {"ok": "✓", "warning": "!", "failed": "✗"}


@click.command()
@json_option
@debug_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check this installation; 1 if no engine works."""
    from engines.hardware import read_machine
    from tui.paths import app_paths

    machine = read_machine(app_paths().cache, measure_again=True)
    engines: list[SelfCheck] = []
    findings: list[Finding] = []
    for finding in _findings(machine, engines):
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print_json(
            {
                "works": any(engine.works for engine in engines),
                "machine": machine.to_json(),
                "engines": [asdict(engine) for engine in engines],
                "findings": [asdict(finding) for finding in findings],
            }
        )
    ctx.exit(0 if any(engine.works for engine in engines) else 1)


def _findings(machine: Machine, engines: list[SelfCheck]) -> Iterator[Finding]:
    """Every finding, as it comes; what was found out about the engines is added to `engines`."""
    from tui.command_line import checks
    from tui.paths import app_paths

    paths = app_paths()
    yield checks.check_python(machine)
    yield from checks.check_machine(machine)
    yield checks.check_terminal()
    for engine, finding in checks.check_engines(machine):
        engines.append(engine)
        yield finding
    yield from checks.check_embedded_models()
    yield from checks.check_profiles(paths)
    yield checks.check_store(paths.database)
    yield from checks.check_folders(paths)


def _print(finding: Finding) -> None:
    click.echo(f"{_MARKS[finding.status.value]} {finding.name:17} {one_line(finding.detail)}")
    if finding.mend:
        click.echo(textwrap.indent(f"→ {one_line(finding.mend)}", " " * 20))
