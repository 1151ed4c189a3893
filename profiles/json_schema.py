"""A JSON Schema of a profile's file, for editors (Even Better TOML, taplo and others)."""

from __future__ import annotations

import json
from typing import Any

from profiles.schema import SETTINGS
from profiles.settings import described_schema

SCHEMA_NAME = "profile.schema.json"


def profile_json_schema() -> dict[str, Any]:
    """The schema: every key with its description and what it may hold."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "llm-tui profile",
        "type": "object",
        "properties": {key: described_schema(setting) for key, setting in SETTINGS.items()},
        "additionalProperties": False,
        "not": {"required": ["json_schema", "grammar"]},
    }


def profile_json_schema_text() -> str:
    return json.dumps(profile_json_schema(), indent=2, ensure_ascii=False) + "\n"
