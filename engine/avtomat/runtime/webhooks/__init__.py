"""Webhooks that go out: what endpoints are told of jobs."""
