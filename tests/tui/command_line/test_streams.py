from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os, sys
from pathlib import Path
from tui.command_line.streams import own_streams
with own_streams(Path(sys.argv[1]), keep_stderr=len(sys.argv) > 2) as streams:
    os.write(1, b"library on 1\\n")
    os.write(2, b"library on 2\\n")
    print("package on stdout", flush=True)
    streams.out.write("answer\\n")
    streams.err.write("progress\\n")
print("after", flush=True)
os.write(2, b"after on 2\\n")
"""


def run(log: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CODE, str(log), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)


def test_what_libraries_print_goes_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "state" / "llm-tui.log"
    done = run(log)
    assert done.stdout == "answer\nafter\n"
    assert done.stderr == "progress\nafter on 2\n"
    lines = {"library on 1", "library on 2", "package on stdout"}
    assert set(log.read_text().splitlines()) == lines


def test_debug_keeps_standard_error_open(tmp_path: Path) -> None:
    done = run(tmp_path / "log", "debug")
    assert done.stdout == "answer\nafter\n"
    assert "library on 2" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_log_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert run(tmp_path / "log").stdout == "answer\nafter\n"


def test_a_log_path_that_is_a_folder_is_no_failure(tmp_path: Path) -> None:
    assert run(tmp_path).stdout == "answer\nafter\n"
