"""Widgets: they draw, post messages, and know neither screens nor the app nor an engine."""
