"""The workers' door: the worker protocol over HTTP and WebSocket."""
