from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from conversation.store import Store
from engines.bandwidth import MemoryBandwidth
from engines.hardware import Machine
from engines.hardware_probes import GPU, MemoryPressure
from engines.self_check import SelfCheck
from tui.command_line import checks
from tui.command_line.checks import Status
from tui.command_line.mending import mend_engine
from tui.paths import app_paths

Run = Callable[..., Result]

MAC = Machine(
    chip="Apple M4 Pro",
    system="Darwin",
    architecture="arm64",
    is_translated=False,
    physical_cores=12,
    logical_cores=12,
    memory_total_bytes=24 * 2**30,
    memory_available_bytes=12 * 2**30,
    gpu=GPU.METAL,
    gpu_cores=None,
    memory_bandwidth=MemoryBandwidth(273e9, "vendor"),
)
LINUX = replace(MAC, chip="AMD EPYC", system="Linux", architecture="x86_64", gpu=GPU.NONE)


def nothing_installed(name: str) -> str | None:
    return None


def everything_installed(name: str) -> str | None:
    return f"/usr/bin/{name}"


def only(*names: str) -> Callable[[str], str | None]:
    return lambda name: f"/usr/bin/{name}" if name in names else None


def test_a_mac_without_a_compiler_gets_the_command_line_tools_first() -> None:
    command = mend_engine("llama.cpp", MAC, nothing_installed)
    first, second = command.split(" && ")
    assert first == "xcode-select --install"
    assert "install" in second and "llama-cpp-python" in second
    assert "xcode-select" not in mend_engine("llama.cpp", MAC, only("clang"))


@pytest.mark.parametrize(
    ("manager", "words"),
    [("apt-get", "build-essential"), ("dnf", "gcc-c++"), ("apk", "build-base")],
)
def test_linux_without_a_compiler_gets_its_packages(manager: str, words: str) -> None:
    assert words in mend_engine("llama.cpp", LINUX, only(manager)).split(" && ")[0]


def test_a_cuda_machine_gets_cuda_builds() -> None:
    machine = replace(LINUX, gpu=GPU.CUDA)
    assert 'CMAKE_ARGS="-DGGML_CUDA=on"' in mend_engine("llama.cpp", machine, everything_installed)
    assert "mlx[cuda]" in mend_engine("mlx", machine, everything_installed)
    assert "mlx[cpu]" in mend_engine("mlx", LINUX, everything_installed)


def test_a_translated_python_is_the_first_thing_to_mend() -> None:
    machine = replace(MAC, is_translated=True, architecture="x86_64")
    for engine in ("mlx", "llama.cpp"):
        assert "Rosetta" in mend_engine(engine, machine, everything_installed)
    assert checks.check_python(machine).status is Status.WARNING


def test_the_machine_is_told_with_what_its_gpu_may_keep() -> None:
    mac = replace(MAC, gpu_cores=20, system_version="26.1", working_set_bytes=16 * 2**30)
    machine, memory, bandwidth = checks.check_machine(mac)
    assert machine.detail == (
        "Apple M4 Pro, Darwin 26.1, 12 cores, 12 usable threads, 20-core Metal GPU"
    )
    assert memory.detail == "24.0 GiB, 12.0 GiB of it available, the GPU may keep 16.0 GiB"
    assert bandwidth.detail.startswith("273.0 GB/s")


def test_memory_pressure_is_a_warning() -> None:
    _, memory, _ = checks.check_machine(replace(MAC, memory_pressure=MemoryPressure.WARNING))
    assert memory.status is Status.WARNING
    assert "Close other programs" in memory.mend


def test_an_engine_that_fails_is_reported_with_its_mend() -> None:
    def check(engine: str) -> SelfCheck:
        if engine == "mlx":
            return SelfCheck(engine, True, {"mlx": "1"}, "metal", load_s=0.5, decode_tps=100.0)
        return SelfCheck(engine, False, {}, error="The llama.cpp engine is not installed.")

    (_, mlx), (_, llama_cpp) = checks.check_engines(MAC, check)
    assert (mlx.status, mlx.mend) == (Status.OK, "")
    assert "mlx 1 on metal" in mlx.detail
    assert llama_cpp.status is Status.FAILED
    assert "not installed" in llama_cpp.detail
    assert "llama-cpp-python" in llama_cpp.mend


@pytest.mark.parametrize(
    ("environment", "status", "words"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, Status.OK, "COLORTERM=truecolor"),
        ({"TERM": "xterm-256color"}, Status.OK, "256 colors"),
        ({"TERM": "dumb"}, Status.FAILED, "TERM=dumb"),
        (
            {"TERM": "tmux-256color", "TMUX": "/tmp/x", "SSH_TTY": "/dev/pts/1"},
            Status.OK,
            "tmux, SSH",
        ),
    ],
)
def test_the_terminal_is_described(environment: dict[str, str], status: Status, words: str) -> None:
    finding = checks.check_terminal(environment, is_terminal=True)
    assert finding.status is status
    assert words in finding.detail


def test_the_store_is_counted_and_not_changed(home: Path) -> None:
    database = app_paths().database
    assert "none saved yet" in checks.check_store(database).detail
    assert not database.exists()
    Store(database).close()
    assert "(0 conversations)" in checks.check_store(database).detail


def test_a_damaged_store_is_reported_and_left_alone(home: Path) -> None:
    database = app_paths().database
    database.parent.mkdir(parents=True)
    database.write_bytes(b"no database" * 1000)
    finding = checks.check_store(database)
    assert finding.status is Status.FAILED
    assert database.read_bytes() == b"no database" * 1000


def test_a_locked_store_is_still_readable(home: Path) -> None:
    database = app_paths().database
    Store(database).close()
    other = sqlite3.connect(database)
    other.execute("BEGIN IMMEDIATE")
    assert checks.check_store(database).status is Status.OK
    other.close()


def test_a_broken_profile_is_a_warning(home: Path) -> None:
    folder = app_paths().profiles
    folder.mkdir(parents=True)
    (folder / "typo.toml").write_text("mdel = 'demo:target'\n")
    summary, broken = checks.check_profiles(app_paths())
    assert summary.status is Status.OK
    assert broken.status is Status.WARNING
    assert "typo.toml:1:1: mdel" in broken.detail


def test_the_embedded_models_are_whole() -> None:
    for finding in checks.check_embedded_models():
        assert finding.status is Status.OK
        assert "Q8_0" in finding.detail


@pytest.mark.model
def test_doctor_finds_both_engines_at_work(run: Run) -> None:
    result = run("doctor", "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["works"] is True
    assert {engine["engine"]: engine["works"] for engine in report["engines"]} == {
        "mlx": True,
        "llama.cpp": True,
    }
    assert report["machine"]["memory_bandwidth"]["bytes_per_s"] > 0
    names = {finding["name"] for finding in report["findings"]}
    assert {"python", "memory", "terminal", "store", "profiles", "log", "demo:target"} <= names


def test_doctor_fails_only_without_any_engine(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(engine: str) -> SelfCheck:
        return SelfCheck(engine, False, {}, error="gone")

    monkeypatch.setattr(checks.check_engines, "__defaults__", (broken,))
    result = run("doctor")
    assert result.exit_code == 1
    assert result.stdout.count("✗") == 2
    assert result.stdout.count("→") >= 2
