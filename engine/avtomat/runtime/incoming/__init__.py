"""Requests of other systems that start jobs and send signals: hooks."""
