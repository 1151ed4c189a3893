"""What a measurement ran on, in words that hold no name of the machine."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from pathlib import Path

import psutil

GIB = 1024**3


def describe_machine() -> str:
    """Processor, cores, memory, system, load and date."""
    load = os.getloadavg()[0]
    return (
        f"{_processor()}, {psutil.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / GIB:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}, load {load:.1f} at the start, "
        f"{datetime.date.today().isoformat()}"
    )


def _processor() -> str:
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
