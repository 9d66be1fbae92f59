"""Commands and messages on the way to a Redis server and back."""
