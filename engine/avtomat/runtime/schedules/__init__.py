"""Schedules: jobs that begin by themselves, each run once, whichever replicas there are."""
