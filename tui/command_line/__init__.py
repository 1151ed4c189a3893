"""What `llm-tui` does without its screen: one module for each command."""
