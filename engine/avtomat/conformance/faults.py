"""What a check raises: the worker does otherwise, or does not have what the check is about."""

from __future__ import annotations


class FaultError(Exception):
    """The worker does otherwise; the text says what was seen."""


class NotOfferedError(Exception):
    """The worker leaves out something that the protocol leaves to it; the text says what."""
