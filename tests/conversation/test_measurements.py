from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from conversation.measurement import (
    KEPT_S,
    Measurement,
    add_measurement,
    prune_measurements,
    read_measurements,
)
from conversation.measurements import Measurements, typical_speed, weighted_median, writer_beside
from conversation.schema import MIGRATIONS, migrate
from conversation.store import Store
from conversation.store_file import connect
from engines.scripted import Gate
from engines.speed import NOT_MEASURED
from engines.types import LoadRequest
from profiles.schema import Profile
from profiles.task import Task
from tests.conversation.desk import CHAT, Desk

REQUEST = LoadRequest("mlx", "org/model", kv_type="q8_0")
BASE = Measurement(
    machine="here",
    profile="chat",
    task=Task.DAILY_CHAT,
    model="org/model",
    draft="",
    engine="mlx",
    quantization="4-bit",
    kv_type="q8_0",
    prompt_tokens=1000,
    cached_tokens=0,
    generated_tokens=101,
    ttft_s=2.0,
    prefill_s=2.0,
    decode_s=2.0,
    measured_at=time.time(),
)


def turn(
    prefill_tps: float = 500, decode_tps: float = 50, prompt_tokens: int = 1000, cached: int = 0
) -> Measurement:
    return replace(
        BASE,
        prompt_tokens=prompt_tokens,
        cached_tokens=cached,
        prefill_s=(prompt_tokens - cached) / prefill_tps,
        decode_s=100 / decode_tps,
    )


def test_the_tables_of_an_older_version_get_the_new_one(tmp_path: Path) -> None:
    connection = connect(tmp_path / "old.db")
    migrate(connection, MIGRATIONS[:2])
    connection.execute("INSERT INTO conversations VALUES ('c', 'Kept', NULL, 1, 1, NULL)")
    migrate(connection)
    add_measurement(connection, BASE)
    assert read_measurements(connection, "here") == [BASE]
    assert connection.execute("SELECT title FROM conversations").fetchone() == ("Kept",)
    connection.close()


def test_old_measurements_go_and_the_newest_stay(tmp_path: Path) -> None:
    connection = connect(tmp_path / "a.db")
    migrate(connection)
    for number in range(10):
        add_measurement(connection, replace(BASE, generated_tokens=number, measured_at=1000.0))
    prune_measurements(connection, now=1000.0, kept=4)
    left = read_measurements(connection, "here")
    assert [each.generated_tokens for each in left] == [6, 7, 8, 9]
    prune_measurements(connection, now=1001.0 + KEPT_S)
    assert read_measurements(connection, "here") == []
    connection.close()


def test_they_come_back_for_this_machine_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    here = Measurements(store.path, store.writer, lambda: "here")
    here.record(turn())
    here.record(replace(turn(decode_tps=999), machine="elsewhere"))
    assert store.writer.flush()
    again = Measurements(store.path, store.writer, lambda: "here")
    assert again.speed(REQUEST, 1000).decode_tps == pytest.approx(50)
    assert Measurements(store.path, store.writer, lambda: "new").speed(REQUEST, 1) == NOT_MEASURED
    store.close()


def test_what_is_recorded_counts_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    measurements = Measurements(store.path, store.writer, lambda: "here")
    assert measurements.speed(REQUEST, 1000) == NOT_MEASURED
    measurements.record(turn())
    assert measurements.speed(REQUEST, 1000).prefill_tps == pytest.approx(500)
    store.close()


def test_speeds_are_those_of_the_same_model_engine_and_kv_type(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    measurements = Measurements(store.path, store.writer, lambda: "here")
    measurements.record(turn())
    for other in (
        replace(REQUEST, engine="llama.cpp"),
        replace(REQUEST, model="org/other"),
        replace(REQUEST, kv_type="f16"),
        replace(REQUEST, draft_model="org/draft"),
    ):
        assert measurements.speed(other, 1000) == NOT_MEASURED
    store.close()


def test_one_turn_that_was_disturbed_does_not_count() -> None:
    turns = [turn(), turn(), turn(prefill_tps=5, decode_tps=0.5), turn(), turn()]
    assert typical_speed(turns, 1000).decode_tps == pytest.approx(50)
    assert typical_speed(turns, 1000).prefill_tps == pytest.approx(500)


def test_the_newest_turns_weigh_most() -> None:
    turns = [turn(decode_tps=20)] * 30 + [turn(decode_tps=60)] * 12
    assert typical_speed(turns, 1000).decode_tps == pytest.approx(60)
    assert typical_speed(turns[:31], 1000).decode_tps == pytest.approx(20)


def test_turns_of_a_similar_length_weigh_most() -> None:
    short = [turn(decode_tps=60, prefill_tps=900, prompt_tokens=400)] * 5
    long = [turn(decode_tps=15, prefill_tps=300, prompt_tokens=20_000)] * 5
    speeds = typical_speed([*short, *long], 25_000)
    assert speeds.decode_tps == pytest.approx(15)
    assert speeds.prefill_tps == pytest.approx(300)
    speeds = typical_speed([*short, *long], 300)
    assert speeds.decode_tps == pytest.approx(60)
    assert speeds.prefill_tps == pytest.approx(900)


def test_a_turn_that_read_next_to_nothing_tells_no_prefill_speed() -> None:
    assert typical_speed([turn(prompt_tokens=2000, cached=1995)], 2000).prefill_tps is None
    brief = replace(BASE, generated_tokens=3)
    assert typical_speed([brief], 1000).decode_tps is None


def test_weighted_median() -> None:
    assert weighted_median([]) is None
    assert weighted_median([(1.0, 1.0), (2.0, 1.0), (9.0, 1.0)]) == 2.0
    assert weighted_median([(1.0, 1.0), (9.0, 5.0)]) == 9.0


def test_answers_are_as_long_as_the_profiles_then_as_the_tasks(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    measurements = Measurements(store.path, store.writer, lambda: "here")
    chat = Profile(name="chat", model="m", task=Task.DAILY_CHAT)
    other = Profile(name="other", model="m", task=Task.DAILY_CHAT)
    assert measurements.answer_tokens(chat) is None
    for tokens in (100, 120, 5000):
        measurements.record(replace(BASE, generated_tokens=tokens))
    assert measurements.answer_tokens(chat) == 120
    assert measurements.answer_tokens(other) == 120
    assert measurements.answer_tokens(Profile(name="x", model="m", task=Task.CODING)) is None
    store.close()


def test_every_finished_turn_is_measured_without_its_text(desk: Desk) -> None:
    desk.add_engine("Hello there, you. " * 10)
    session = desk.session()
    asked = session.send("my secret")
    assert asked.wait(10)
    assert session.send("again").wait(10)
    desk.store.writer.flush()
    with sqlite3.connect(desk.path) as connection:
        rows = connection.execute("SELECT * FROM measurements").fetchall()
        connection.row_factory = sqlite3.Row
        first, second = connection.execute("SELECT * FROM measurements").fetchall()
    connection.close()
    assert "secret" not in repr(rows)
    assert "Hello" not in repr(rows)
    assert asked.stats is not None
    assert first["prompt_tokens"] == asked.stats.prompt_tokens
    assert (first["profile"], first["model"], first["engine"]) == ("chat", "small", "scripted")
    assert first["load_s"] > 0
    assert second["load_s"] is None
    assert second["cached_tokens"] > 0
    assert first["measured_at"] == pytest.approx(time.time(), abs=60)


def test_a_turn_that_was_stopped_is_not_measured(desk: Desk) -> None:
    desk.add_engine("one two three four", gate=Gate(tokens=3))
    asked = desk.session(CHAT).send("stop")
    while not asked.generated_tokens:
        assert not asked.wait(0.005)
    asked.stop()
    assert asked.wait(10)
    assert asked.stats is not None
    desk.store.writer.flush()
    with sqlite3.connect(desk.path) as connection:
        assert connection.execute("SELECT count(*) FROM measurements").fetchone() == (0,)
    connection.close()


def test_a_program_without_the_store_leaves_figures_in_it(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "llm-tui.db"
    writer = writer_beside(path)
    Measurements(path, writer, lambda: "here").record(turn())
    assert writer.close()
    assert path.stat().st_mode & 0o077 == 0
    store = Store(path)
    assert store.list_conversations() == []
    measurements = Measurements(path, store.writer, lambda: "here")
    assert measurements.speed(REQUEST, 1000).decode_tps == pytest.approx(50)
    store.close()


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    connection = connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    writer = writer_beside(path)
    measurements = Measurements(path, writer, lambda: "here")
    assert measurements.speed(REQUEST, 1000) == NOT_MEASURED
    measurements.record(turn())
    assert not writer.close()
    connection = connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (999,)
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()
