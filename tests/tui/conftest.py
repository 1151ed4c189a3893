from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.app_bench import AppBench
from tui.services import Services


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppBench]:
    monkeypatch.setattr(Services, "read_bandwidth", lambda services: None)
    bench = AppBench(tmp_path)
    yield bench
    bench.gate.open()
    for gate in bench.load_gates.values():
        gate.open()
    if bench.app.services is not None:
        bench.app.services.close()
