"""A program for tests to run and to kill: `python -m tests.conversation.answering_program DB`.

Answers one message with a long text and prints, as JSON lines, `{"id": ...}` first and then each
piece of the answer with the time it arrived: `{"at_s": ..., "text": ...}` (system-wide clock).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from conversation.session import Session
from conversation.store import Store
from engines.events import TextChunk
from engines.pool import EnginePool
from engines.scripted import ScriptedEngine
from profiles.schema import Profile

ANSWER = " ".join(f"w{number:05}" for number in range(50_000))


def main(path: Path) -> None:
    pool = EnginePool(10**9, lambda request: ScriptedEngine([ANSWER]))
    profile = Profile("chat", "script", engine="scripted", options=(("rate", "500"),))
    session = Session(Store(path), pool, profile)
    turn = session.send("Count, please")
    report({"id": session.conversation_id})
    while not turn.wait(0.005):
        arrived_s = time.monotonic()
        for event in turn.drain():
            if isinstance(event, TextChunk):
                report({"at_s": arrived_s, "text": event.text})


def report(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
