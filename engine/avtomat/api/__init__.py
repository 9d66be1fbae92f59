"""The HTTP doors: for clients, for workers, for people."""
