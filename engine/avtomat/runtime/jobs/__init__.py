"""From an event to a commit: submit, decide, write, read."""
