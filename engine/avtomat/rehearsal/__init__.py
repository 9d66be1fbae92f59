"""Rehearse blueprints: run the cases of `name.test.yaml` with the engine of production on a clock turned by hand."""
