"""The functions that conditions and texts know."""
