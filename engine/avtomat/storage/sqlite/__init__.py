"""Jobs in a SQLite file, for one engine process."""
