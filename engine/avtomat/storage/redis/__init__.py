"""Jobs in Redis, for many replicas of the engine."""
