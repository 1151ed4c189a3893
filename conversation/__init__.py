"""The conversation: its messages, its turns with a model, and where it is kept."""
