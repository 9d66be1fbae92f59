"""Databases that take over the histories of jobs."""
