"""Documents given along with a conversation."""
