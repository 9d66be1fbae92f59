"""The one guarded HTTP client, for every request that the engine itself makes."""
