"""fd 2 belongs to the log file while the app runs, and to the terminal before and after."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import logging, os, sys
from pathlib import Path
from tui.terminal import log_to_file, terminal_for_textual
log = Path(sys.argv[1])
log_to_file(log)
with terminal_for_textual(log):
    os.write(2, b"from a library\\n")
    os.write(1, b"also from a library\\n")
    sys.__stderr__.write("drawn")
    sys.__stderr__.flush()
    logging.getLogger("x").warning("a record")
print("after", file=sys.stderr)
print("out")
"""


def test_what_libraries_print_goes_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "state" / "app.log"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(log)], capture_output=True, text=True, check=True
    )
    assert done.stderr == "drawnafter\n"
    assert done.stdout == "out\n"
    text = log.read_text(encoding="utf-8")
    assert "from a library\n" in text
    assert "also from a library\n" in text
    assert "WARNING x: a record" in text
