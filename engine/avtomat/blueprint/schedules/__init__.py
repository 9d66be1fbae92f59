"""Schedules: cron lines are read, and the times that they name are found in a time zone."""
