"""Set up what this process logs: lines of text for people, or one JSON object a line for machines.

A line names what it is about by ids that the caller gives in `extra`: job, trace, task, worker, request. Nothing else
of `extra` is written, and nothing of requests that are no HTTP, with which anybody could fill a log. The texts of
tokens and passwords of the settings are blanked wherever they turn up: a last net, because nothing should hand them to
a logger at all.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, TextIO
from urllib.parse import unquote, urlsplit

import orjson

from avtomat.secrets import BLANKED, InlineSecret
from avtomat.settings import Settings

IDS: Final = ("job", "trace", "task", "worker", "request")
HIDDEN_LENGTH_MIN: Final = 6
"""A shorter secret is not searched for: it would blank half of the words."""

_TALKATIVE: Final = ("watchfiles", "asyncio")


def set_up_logs(settings: Settings, *, level: str | None = None, stream: TextIO | None = None) -> None:
    """Log to `stream` (stderr) as the settings say, from `level` (theirs) on; handlers of before are gone."""
    hidden = sorted(_hidden_texts(settings), key=len, reverse=True)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(_is_ours)
    handler.setFormatter(JsonLines(hidden) if settings.log_format == "json" else TextLines(hidden))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel((level or settings.log_level).upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


class TextLines(logging.Formatter):
    """`2026-01-31T23:00:00.250Z INFO avtomat.runtime.blueprints.reload: the text [job=… trace=…]`."""

    def __init__(self, hidden: Iterable[str] = ()) -> None:
        super().__init__()
        self._hidden = tuple(hidden)

    def format(self, record: logging.LogRecord) -> str:
        """The line, and below it the traceback if there is one."""
        ids = " ".join(f"{name}={value}" for name, value in _ids_of(record))
        line = f"{_time_of(record)} {record.levelname} {record.name}: {record.getMessage()}"
        below = self.formatException(record.exc_info) if record.exc_info else None
        return _blanked("\n".join(filter(None, [f"{line} [{ids}]" if ids else line, below])), self._hidden)


class JsonLines(logging.Formatter):
    """`{"at": …, "level": …, "logger": …, "message": …, "pid": …, "job": …, "trace": …, "error": traceback}`."""

    def __init__(self, hidden: Iterable[str] = ()) -> None:
        super().__init__()
        self._hidden = tuple(hidden)

    def format(self, record: logging.LogRecord) -> str:
        """The object; ids and the error are there when they are known."""
        line = {
            "at": _time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _blanked(record.getMessage(), self._hidden),
            "pid": record.process,
            **{name: _blanked(value, self._hidden) for name, value in _ids_of(record)},
        }
        if record.exc_info:
            line["error"] = _blanked(self.formatException(record.exc_info), self._hidden)
        return orjson.dumps(line).decode()


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether the record is about this process: what no HTTP is was answered 400, and fills no log."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or kind.__module__ != "aiohttp.http_exceptions"


def _ids_of(record: logging.LogRecord) -> Iterator[tuple[str, str]]:
    for name in IDS:
        value = getattr(record, name, None)
        if value is not None:
            yield name, str(value)


def _time_of(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _blanked(text: str, hidden: Iterable[str]) -> str:
    for each in hidden:
        text = text.replace(each, BLANKED)
    return text


def _hidden_texts(settings: Settings) -> set[str]:
    """Tokens, passwords in URLs, and secrets that are written down in the settings."""
    passwords = [urlsplit(url).password for url in (settings.store, settings.history) if url is not None]
    own = (settings.client_token, settings.worker_token, settings.task_secret, settings.worker_token_secret)
    texts = {*own, *passwords, *(unquote(each) for each in passwords if each)}
    texts |= {secret.text for secret in settings.secrets.values() if isinstance(secret, InlineSecret)}
    return {text for text in texts if text is not None and len(text) >= HIDDEN_LENGTH_MIN}
