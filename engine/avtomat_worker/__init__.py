"""The worker SDK: write a worker for Avtomat in Python. It imports nothing of the engine."""
