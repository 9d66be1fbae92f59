"""Avtomat: long-lived workflows written in YAML."""
