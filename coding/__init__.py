"""What the assistant may do with code: for now, write it to new files of the workspace."""
