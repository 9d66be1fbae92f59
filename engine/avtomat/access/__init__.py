"""Who may do what: clients.toml and workers.toml, read and checked."""
