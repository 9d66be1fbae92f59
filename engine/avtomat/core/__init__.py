"""The pure core: what a job is and what happens next; no clock, no I/O, no randomness."""
