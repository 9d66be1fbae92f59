"""Pages for people: what is going on, why, and what to do about it. Each page works without script."""
