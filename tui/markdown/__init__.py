"""Markdown that grows while it is read: incremental parsing, layout and colors, no widgets."""
