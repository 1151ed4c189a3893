from __future__ import annotations

import pytest

from engines.bench.load_cycles import RssGrowth


def test_growth_is_told_from_the_first_cycle_and_after_the_warm_up() -> None:
    unloaded = (100, 120, 120, 120, 125, 126, 127, 130)
    figures = RssGrowth(unloaded, (200,) * 7 + (201,)).to_json()
    assert figures["cycles"] == 8
    assert figures["growth"] == pytest.approx(0.30)
    assert figures["growth_after_warm_up"] == pytest.approx(0.04)
    assert figures["loaded_growth"] == pytest.approx(0.005)


def test_too_few_cycles_tell_nothing() -> None:
    figures = RssGrowth((100,), (200,)).to_json()
    assert figures["growth"] is figures["growth_after_warm_up"] is figures["loaded_growth"] is None
