"""One turn without a screen: an engine thread as in the app, its events thrown away.

    python -m tests.benchmarks.headless_decode PROFILE_FILE QUESTION

prints the turn's statistics as one JSON object.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import tomllib
from pathlib import Path
from typing import TypeVar

from engines.chat_template import ChatTemplate
from engines.events import EngineEvent, EngineFailed, GenerationFinished, ModelLoaded, TextChunk
from engines.registry import create_for
from engines.thread import EngineThread
from engines.types import ChatMessage, GenerationRequest, LoadRequest, Role
from profiles.reading import profile_from_toml

Event = TypeVar("Event")


def decode(profile_file: Path, question: str) -> GenerationFinished:
    """Load the profile's model and let it answer, drafting nothing.

    Raises:
        RuntimeError: the engine failed.
    """
    values = tomllib.loads(profile_file.read_text())
    profile = profile_from_toml("bench", values, str(profile_file))
    events: queue.SimpleQueue[EngineEvent] = queue.SimpleQueue()
    request = LoadRequest(profile.engine, profile.model)
    texts: list[EngineEvent] = []

    def take(event: EngineEvent) -> None:
        """As in the app, text is only put aside: no thread wakes up for it."""
        if isinstance(event, TextChunk):
            texts.append(event)
        else:
            events.put(event)

    thread = EngineThread(lambda: create_for(request), request, take)
    info = _wait_for(events, ModelLoaded).info
    template = ChatTemplate(info.chat_template, info.bos_token, info.eos_token)
    prompt = template.render([ChatMessage(Role.USER, question)], reasoning=False)
    thread.submit(
        GenerationRequest(
            (prompt,), "headless", profile.sampling, profile.max_tokens, use_draft=False
        ),
        take,
    )
    finished = _wait_for(events, GenerationFinished)
    thread.close(10)
    return finished


def _wait_for(events: queue.SimpleQueue[EngineEvent], kind: type[Event]) -> Event:
    while True:
        event = events.get()
        if isinstance(event, kind):
            return event
        if isinstance(event, EngineFailed):
            raise RuntimeError(f"{event.message} {event.hint}")


if __name__ == "__main__":
    finished = decode(Path(sys.argv[1]), sys.argv[2])
    sys.stdout.write(json.dumps(finished.stats.to_json(), default=str) + "\n")
    sys.stdout.flush()
    os._exit(0)
