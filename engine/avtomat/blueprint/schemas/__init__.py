"""JSON Schemas that authors write."""
