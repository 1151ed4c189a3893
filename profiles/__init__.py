"""Named settings that map a task to a model, an engine and everything that goes with them."""
