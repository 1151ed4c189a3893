"""Runs language models on this machine. Knows no screen and no chat policy.

Importing this package loads neither MLX nor llama.cpp; `engines.registry` does, when asked to.
"""
