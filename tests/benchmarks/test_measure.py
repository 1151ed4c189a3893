from __future__ import annotations

import pytest

from tests.benchmarks.clients import CLIENTS
from tests.benchmarks.measure import Scenario, measure

pytestmark = pytest.mark.pty


@pytest.mark.parametrize("name", [client.name for client in CLIENTS])
def test_a_run_gives_every_figure(name: str) -> None:
    client = next(client for client in CLIENTS if client.name == name)
    figures = measure(client, Scenario("short", rate_tps=150, tokens=120, turns=2))

    assert (figures.client, figures.scenario, figures.tokens) == (name, "short", 120)
    assert 0 < figures.first_paint_s < figures.ready_s
    assert figures.first_word_lag_s is not None and figures.first_word_lag_s > 0
    assert figures.tail_lag_s is not None and figures.tail_lag_s > 0
    assert figures.cpu_per_1k_tokens_s > 0
    assert figures.bytes_per_token > 3
    assert len(figures.key_echo_ms) == figures.keys_typed > 0
    assert min(figures.key_echo_ms) > 0
    assert figures.peak_rss_bytes > 10_000_000
