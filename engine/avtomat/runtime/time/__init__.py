"""Duties and timers: what happens because time passes."""
