"""Graphs of blueprints: one layout for pages, the command line and documents."""
