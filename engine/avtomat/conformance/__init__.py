"""The conformance suite of the worker protocol: play the engine's side, and see what a worker does."""
