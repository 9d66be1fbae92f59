"""Who may do what, and how much of it, while the engine runs."""
