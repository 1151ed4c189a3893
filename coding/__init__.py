"""What the assistant may do with code: take it out of an answer and put it into the workspace."""
