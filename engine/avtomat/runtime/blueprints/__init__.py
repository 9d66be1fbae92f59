"""Which programs there are: compiled, current, followed while they change."""
