"""Refuse messages that are not signed by their worker, of workers of which workers.toml asks that.

A message is signed with the token that the worker has, in `security.signature`. What may be sent again later to some
effect has a time of its own that is near the engine's: registrations, heartbeats, events. A result may be old; its
attempt says whether it still counts. Within that minute the same message may come again, as it does when its answer was
lost: it then has the effect that it had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Final, NoReturn

from avtomat.api.http.auth import Caller
from avtomat.core.formula import Json
from avtomat.errors import RequestRefused
from avtomat.runtime.work.signing import is_signed

if TYPE_CHECKING:
    from prometheus_client import Metric

REPLAY_S: Final = 60
EVENT_WITHOUT: Final = ("bubbling_chain",)
"""What others add to an event on its way is not its worker's."""


class Signatures:
    """Checks messages; `refused` counts those that were refused, by reason."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.refused: Counter[str] = Counter()

    def check(
        self, caller: Caller, message: Json, worker: str | None, *, is_timed: bool = True, without: Collection[str] = ()
    ) -> None:
        """Raise RequestRefused, 403 auth.signature, for a message that its worker (None: whoever it names) ought to
        have signed and did not.
        """
        if caller.worker is None or not caller.worker.must_sign or not isinstance(message, dict):
            return
        told = message.get("security")
        security = told if isinstance(told, dict) else {}
        said = security.get("signature")
        if not isinstance(said, str) or not said:
            self._refuse("missing", f"workers.toml asks {caller.name} to sign: security.signature is missing")
        signer = security.get("signer_id")
        if signer is not None and signer != (worker or message.get("worker_id")):
            self._refuse("signer", "security.signer_id is another worker than the message's")
        if not any(is_signed(message, said, secret, without) for secret in caller.secrets):
            text = "security.signature is not that of the message by the token that the worker came with"
            self._refuse("wrong", text)
        if is_timed:
            self._check_time(message)

    def collect(self) -> Iterator[Metric]:
        """The counts of this moment: a collector of Prometheus'."""
        from prometheus_client.core import CounterMetricFamily

        text = "Messages of workers that were refused for their signature."
        family = CounterMetricFamily("avtomat_worker_signatures_refused", text, labels=["reason"])
        for reason, number in sorted(self.refused.items()):
            family.add_metric([reason], number)
        yield family

    def _check_time(self, message: Mapping[str, Json]) -> None:
        told = message.get("timestamp")
        if isinstance(told, bool) or not isinstance(told, int | float):
            self._refuse("time", "a signed message has a timestamp, in Unix seconds")
        apart_s = abs(self._now_ms() / 1000 - told)
        if apart_s > REPLAY_S:
            self._refuse("time", f"the timestamp is {apart_s:.0f} s from the engine's clock; at most {REPLAY_S} s are")

    def _refuse(self, reason: str, text: str) -> NoReturn:
        self.refused[reason] += 1
        raise RequestRefused(text, status=403, code="auth.signature")
