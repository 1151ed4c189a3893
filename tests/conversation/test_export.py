from __future__ import annotations

import json

from conversation.export import to_json, to_markdown
from conversation.message import AttachmentPart
from engines.scripted import Gate
from tests.conversation.desk import Desk


def test_markdown_shows_the_branch_in_view(desk: Desk) -> None:
    desk.add_engine("<think>Hm.</think>Use `sorted`.", "Another.")
    session = desk.session()
    attachment = AttachmentPart("a.py", "```x```", 7)
    assert session.send("Sort this", [attachment]).wait(10)
    assert to_markdown(desk.store.load(session.conversation_id)) == (
        "# Sort this\n\n"
        "## You\n\n"
        "File a.py:\n````\n```x```\n````\n\n"
        "Sort this\n\n"
        "## chat · small\n\n"
        "<details><summary>Reasoning</summary>\n\nHm.\n\n</details>\n\n"
        "Use `sorted`.\n"
    )
    assert session.regenerate().wait(10)
    assert "Use `sorted`" not in to_markdown(desk.store.load(session.conversation_id))


def test_markdown_says_what_is_not_whole(desk: Desk) -> None:
    desk.add_engine("one two", gate=Gate())
    session = desk.session()
    turn = session.send("count")
    session.stop()
    assert turn.wait(10)
    assert to_markdown(desk.store.load(session.conversation_id)).endswith("*(stopped)*\n")


def test_json_holds_every_branch(desk: Desk) -> None:
    desk.add_engine("A.", "B.")
    session = desk.session()
    assert session.send("one").wait(10)
    assert session.regenerate().wait(10)
    exported = json.loads(json.dumps(to_json(desk.store.load(session.conversation_id))))
    assert exported["title"] == "one"
    question, first, second = exported["messages"]
    assert first["parent_id"] == second["parent_id"] == question["id"]
    assert exported["leaf_id"] == second["id"]
    assert first["parts"] == [{"kind": "text", "text": "A."}]
    assert first["stats"]["generated_tokens"] > 0
    assert first["created_at"].endswith("+00:00")
