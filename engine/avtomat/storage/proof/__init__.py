"""The whole state of a store as plain values, and what must be true of it."""
