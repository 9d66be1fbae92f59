"""The proofs: each test's name is a promise."""
