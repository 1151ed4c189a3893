"""Training dialogues: cut out of sources, written by hand, or put together from parts."""
