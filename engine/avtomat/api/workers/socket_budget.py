"""How much a worker may send on its socket: frames and bytes, so many at once and so many in each second after."""

from __future__ import annotations

from typing import Final

FRAMES_MAX: Final = 2_000
FRAMES_PER_S: Final = 200
BYTES_PER_S: Final = 1_000_000


class SocketBudget:
    """What one connection may still send."""

    def __init__(self, bytes_max: int, now_s: float) -> None:
        self._bytes_max = bytes_max
        self._frames_left: float = FRAMES_MAX
        self._bytes_left: float = bytes_max
        self._seen_s = now_s

    def take(self, size: int, now_s: float) -> bool:
        """Count a frame of `size` bytes; False when that is more than the connection may send."""
        passed_s = max(0.0, now_s - self._seen_s)
        self._seen_s = now_s
        self._frames_left = min(FRAMES_MAX, self._frames_left + passed_s * FRAMES_PER_S) - 1
        self._bytes_left = min(self._bytes_max, self._bytes_left + passed_s * BYTES_PER_S) - size
        return self._frames_left >= 0 and self._bytes_left >= 0
