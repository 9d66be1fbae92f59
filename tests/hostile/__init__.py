"""Hostile files, schemas and requests: each ends with an answer, within its bounds."""
