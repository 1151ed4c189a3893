"""Reads permissively licensed Python sources into training text and function descriptions."""
