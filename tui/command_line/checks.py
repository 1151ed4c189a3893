"""What `llm-tui doctor` looks at. Every check is a function that returns its findings."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from engines.demo import DEMO_MODELS, demo_model_path
from engines.errors import EngineError
from engines.hardware import Machine
from engines.hardware_probes import MemoryPressure
from engines.model_files.gguf import read_header
from engines.self_check import SelfCheck, check_engine
from profiles.checking import check_profile
from tui.command_line.mending import ARM64_PYTHON, mend_engine
from tui.paths import AppPaths
from tui.profile_folders import load_catalog
from tui.version import VERSION

GIB = 2**30
SMALLEST_DISK_BYTES = 2 * GIB
CHECKED_ENGINES = ("mlx", "llama.cpp")


class Status(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `mend` is what to do about it, a command where there is one."""

    name: str
    status: Status
    detail: str
    mend: str = ""


def check_python(machine: Machine) -> Finding:
    detail = (
        f"llm-tui {VERSION}, Python {platform.python_version()} ({machine.architecture})"
        f" at {sys.executable}"
    )
    if machine.is_translated:
        return Finding("python", Status.WARNING, detail, ARM64_PYTHON)
    return Finding("python", Status.OK, detail)


def check_machine(machine: Machine) -> Iterator[Finding]:
    cores = f"{machine.physical_cores or '?'} cores, {machine.logical_cores} usable threads"
    gpu = {"metal": "Metal GPU", "cuda": "NVIDIA GPU", "none": "no GPU"}[machine.gpu.value]
    system = f"{machine.system} {machine.system_version}".strip()
    gpu = f"{machine.gpu_cores}-core {gpu}" if machine.gpu_cores else gpu
    yield Finding("machine", Status.OK, f"{machine.chip}, {system}, {cores}, {gpu}")
    total, free = machine.memory_total_bytes / GIB, machine.memory_available_bytes / GIB
    yield _memory(machine, f"{total:.1f} GiB, {free:.1f} GiB of it available")
    bandwidth = machine.memory_bandwidth
    if bandwidth is None:
        yield Finding("memory bandwidth", Status.WARNING, "could not be measured")
        return
    source = {
        "vendor": "by the vendor's specification",
        "driver": "of the GPU, as its driver reports",
        "measured": "measured, bytes read by all cores",
    }[bandwidth.source]
    figure = f"{bandwidth.bytes_per_s / 1e9:.1f} GB/s"
    yield Finding("memory bandwidth", Status.OK, f"{figure} ({source})")


def _memory(machine: Machine, detail: str) -> Finding:
    if machine.working_set_bytes:
        detail += f", the GPU may keep {machine.working_set_bytes / GIB:.1f} GiB"
    if machine.gpu_memory_bytes:
        detail += f"; {machine.gpu_name} has {machine.gpu_memory_bytes / GIB:.1f} GiB of its own"
    if machine.memory_pressure is MemoryPressure.NORMAL:
        return Finding("memory", Status.OK, detail)
    detail += f"; memory pressure is at {machine.memory_pressure}"
    return Finding("memory", Status.WARNING, detail, "Close other programs before loading a model.")


def check_terminal(
    environment: Mapping[str, str] = os.environ, is_terminal: bool | None = None
) -> Finding:
    """The terminal, and whether it is reached through tmux or SSH."""
    if is_terminal is None:
        is_terminal = sys.stdin.isatty() and sys.__stderr__ is not None and sys.__stderr__.isatty()
    if not is_terminal:
        return Finding("terminal", Status.OK, "none here (a pipe or a script)")
    term, color = environment.get("TERM", ""), environment.get("COLORTERM", "")
    columns, lines = shutil.get_terminal_size()
    facts = [f"TERM={term or '(not set)'}", f"COLORTERM={color or '(not set)'}"]
    facts.append(f"{columns}x{lines}")
    facts += [name for key, name in (("TMUX", "tmux"), ("STY", "screen")) if environment.get(key)]
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        facts.append("SSH")
    detail = ", ".join(facts)
    if term in ("", "dumb", "unknown"):
        return Finding("terminal", Status.FAILED, detail, "export TERM=xterm-256color")
    if color not in ("truecolor", "24bit"):
        mend = "export COLORTERM=truecolor (if your terminal can show 16 million colors)"
        return Finding("terminal", Status.OK, f"{detail}; 256 colors", mend)
    return Finding("terminal", Status.OK, detail)


def check_engines(
    machine: Machine, check: Callable[[str], SelfCheck] = check_engine
) -> Iterator[tuple[SelfCheck, Finding]]:
    """Each engine tried in a process of its own."""
    for engine in CHECKED_ENGINES:
        result = check(engine)
        versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
        if result.works:
            speed = "" if result.decode_tps is None else f", {result.decode_tps:.0f} tok/s"
            detail = (
                f"{versions} on {result.device}; loaded the embedded model in"
                f" {result.load_s or 0:.1f} s{speed}"
            )
            yield result, Finding(engine, Status.OK, detail)
        else:
            problem = f"{versions or 'not installed'}; {result.error}"
            yield result, Finding(engine, Status.FAILED, problem, mend_engine(engine, machine))


def check_embedded_models() -> Iterator[Finding]:
    for name in DEMO_MODELS:
        path = demo_model_path(name)
        assert path is not None
        try:
            header = read_header(path)
        except EngineError as error:
            yield Finding(name, Status.FAILED, error.message, "Install llm-tui again.")
            continue
        size = path.stat().st_size / 1e6
        detail = f"{header.parameters / 1e6:.1f}M parameters, {header.quantization}, {size:.1f} MB"
        yield Finding(name, Status.OK, detail)


def check_store(database: Path) -> Finding:
    """Whether the saved conversations can be read and written; changes nothing."""
    if not database.exists():
        return _writable("store", database.parent, f"{database} (none saved yet)")
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM conversations").fetchone()
    except sqlite3.Error as error:
        mend = "Start llm-tui: it sets a damaged file aside and begins a new one."
        return Finding("store", Status.FAILED, f"{database}: {error}", mend)
    return _writable("store", database, f"{database} ({count} conversations)")


def check_profiles(paths: AppPaths) -> Iterator[Finding]:
    catalog = load_catalog(paths)
    broken = list(catalog.errors.values())
    for profile in catalog.profiles.values():
        broken += check_profile(profile)
    detail = f"{len(catalog.profiles)} profiles; your own go to {paths.profiles}"
    yield Finding("profiles", Status.OK, detail)
    for error in broken:
        yield Finding("profile", Status.WARNING, error.message, error.hint)


def check_folders(paths: AppPaths) -> Iterator[Finding]:
    """Folders that must be writable, and the room on their disks."""
    for name, folder in (("data", paths.data), ("cache", paths.cache)):
        free_bytes = shutil.disk_usage(_existing(folder)).free
        finding = _writable(name, folder, f"{folder} ({free_bytes / GIB:.1f} GiB free)")
        if finding.status is Status.OK and free_bytes < SMALLEST_DISK_BYTES:
            mend = "Free some space: models and KV caches take gigabytes."
            finding = Finding(name, Status.WARNING, finding.detail, mend)
        yield finding
    yield _writable("log", paths.log if paths.log.exists() else paths.state, str(paths.log))


def _writable(name: str, path: Path, detail: str) -> Finding:
    target = _existing(path)
    if os.access(target, os.W_OK):
        return Finding(name, Status.OK, detail)
    return Finding(name, Status.FAILED, f"{detail}: not writable", f'chmod -R u+rwX "{target}"')


def _existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())
