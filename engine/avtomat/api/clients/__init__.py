"""The clients' door: jobs, blueprints, operators' requests."""
