"""Runs functions that a model wrote against reference code, in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

CHILD = Path(__file__).parent / "child.py"
TIME_LIMIT_S = 5.0


class Check(NamedTuple):
    """Reference code, the name of its function, and inputs as Python literals."""

    reference: str
    name: str
    inputs: list[str]


def verdict(code: str, check: Check) -> str:
    """`right`, `wrong`, `error` or `timeout`."""
    job = json.dumps({"code": code} | check._asdict())
    try:
        child = subprocess.run(
            [sys.executable, "-I", str(CHILD)],
            input=job,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return "timeout"
    return child.stdout.strip() or "error"
