"""Say which settings there are: their defaults and what they mean.

Each field of `Settings` is one setting and carries its documentation, so that `avtomat config`, the docs and the code
cannot disagree. Where values come from (flag > AVTOMAT_… > avtomat.toml > default) is `settings_loader`'s job. The name
of a field is the key in avtomat.toml; upper-cased behind AVTOMAT_ it is the variable, with dashes the flag.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Final

from avtomat.secrets import SecretSource
from avtomat.setting_kinds import (
    ADDRESS,
    CONFIG,
    HISTORY,
    HOSTS,
    IDENTITY,
    PATH,
    PORTS,
    SECRETS,
    SIGNING,
    SIZE,
    SPAN,
    SPAN_OR_NOTHING,
    STORE,
    TEXT,
    TOKEN,
    Json,
    Kind,
    choice,
    number,
)

SQLITE: Final = "sqlite:///"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator can set. Spans are timedeltas, sizes are bytes."""

    store: str = field(
        default="sqlite:///avtomat.db",
        repr=False,
        metadata={
            "kind": STORE,
            "doc": "Where jobs are kept: `sqlite:///file.db` (one machine), `redis://`, `rediss://` or `unix://` (many "
            "replicas), `memory:` (forgets everything at the end).",
        },
    )
    history: str | None = field(
        default=None,
        repr=False,
        metadata={
            "kind": HISTORY,
            "doc": "Database that history is copied to (`postgresql://…`). Empty: history stays in the store.",
        },
    )
    blueprints: Path = field(
        default=Path("workflows"), metadata={"kind": PATH, "doc": "Folder of the blueprints; it is watched."}
    )
    blueprints_hold: timedelta = field(
        default=timedelta(hours=1),
        metadata={
            "kind": SPAN_OR_NOTHING,
            "doc": "A blueprint that was retired within this span does not come back when a replica starts with it, "
            "and one that became current within it is not retired by a start without it. With `0s` a start takes its "
            "folder as it is, versions that were replaced before as well.",
        },
    )
    host: str = field(default="127.0.0.1", metadata={"kind": TEXT, "doc": "Address to listen on."})
    port: int = field(
        default=8080, metadata={"kind": number(0, 65_535), "doc": "Port to listen on; 0 takes a free one."}
    )
    processes: int = field(
        default=1,
        metadata={"kind": number(1, 256), "doc": "Engine processes on this machine; more than one needs Redis."},
    )
    client_token: str | None = field(
        default=None, repr=False, metadata={"kind": TOKEN, "doc": "Token of clients; it has the rights of an admin."}
    )
    worker_token: str | None = field(default=None, repr=False, metadata={"kind": TOKEN, "doc": "Token of workers."})
    clients: Path | None = field(
        default=None,
        metadata={
            "kind": PATH,
            "doc": "File of clients: their tokens, scopes and limits; it is watched. Empty: `clients.toml` beside "
            "avtomat.toml, if it is there at the start.",
        },
    )
    workers: Path | None = field(
        default=None,
        metadata={
            "kind": PATH,
            "doc": "File of workers: their tokens and kinds of task; it is watched. Empty: `workers.toml` beside "
            "avtomat.toml, if it is there at the start.",
        },
    )
    link_secret: str | None = field(
        default=None,
        repr=False,
        metadata={
            "kind": SIGNING,
            "doc": "Secret by which links to approvals are signed, the same for all replicas; another one makes every "
            "link void. Empty: no links are given out, and approvals are decided by the API and the command line.",
        },
    )
    task_secret: str | None = field(
        default=None,
        repr=False,
        metadata={
            "kind": SIGNING,
            "doc": "Secret by which tasks are signed for workers that check it (`sig`); they have it as well. Empty: "
            "tasks are not signed.",
        },
    )
    worker_token_secret: str | None = field(
        default=None,
        repr=False,
        metadata={
            "kind": SIGNING,
            "doc": "Secret by which short-lived tokens of workers are made, the same for all replicas; another one "
            "makes them void. Workers must not have it. Empty: none are given out.",
        },
    )
    worker_token_life: timedelta = field(
        default=timedelta(hours=1),
        metadata={
            "kind": SPAN,
            "doc": "How long a short-lived token of a worker is good; it can be refreshed for 24 times as long.",
        },
    )
    public_url: str | None = field(
        default=None,
        metadata={
            "kind": ADDRESS,
            "doc": "Address at which people reach this engine: links to approvals begin with it. Empty: links are "
            "paths of whatever address the engine is asked at.",
        },
    )
    lease: timedelta = field(
        default=timedelta(seconds=90),
        metadata={
            "kind": SPAN,
            "doc": "How long a worker may be silent before its attempt is lost; `timeout.heartbeat` overrules it.",
        },
    )
    ageing: timedelta = field(
        default=timedelta(seconds=60),
        metadata={
            "kind": SPAN,
            "doc": "How long a queued task must wait to count as much as one of the next higher priority; at most 30d.",
        },
    )
    breaker_rate: int = field(
        default=0,
        metadata={
            "kind": number(0, 100),
            "doc": "Share of a kind's attempts, in percent, that must fail within `breaker_window` for its breaker to "
            "open; then nothing of the kind is handed out for a while. 0: there are no breakers.",
        },
    )
    breaker_attempts_min: int = field(
        default=20,
        metadata={
            "kind": number(1, 1_000_000),
            "doc": "So many attempts of a kind must have ended within `breaker_window` before its breaker may open.",
        },
    )
    breaker_window: timedelta = field(
        default=timedelta(minutes=1),
        metadata={"kind": SPAN, "doc": "How long the end of an attempt counts for the breaker of its kind."},
    )
    breaker_open_for: timedelta = field(
        default=timedelta(seconds=30),
        metadata={
            "kind": SPAN,
            "doc": "How long a breaker is open before one attempt is handed out as a probe; if that ends well it "
            "closes.",
        },
    )
    reputation_half_life: timedelta = field(
        default=timedelta(hours=1),
        metadata={
            "kind": SPAN,
            "doc": "In this span what is known of a worker's attempts, good and bad, comes to count half as much.",
        },
    )
    probation_below: int = field(
        default=50,
        metadata={
            "kind": number(0, 99),
            "doc": "Reputation, in percent, below which a worker is on probation: it gets a task only when no other "
            "worker waits for it, and few at a time. 0: none ever is.",
        },
    )
    probation_tasks: int = field(
        default=1,
        metadata={
            "kind": number(1, 1_000),
            "doc": "Tasks that a worker on probation has at a time, as far as one replica knows.",
        },
    )
    drain: timedelta = field(
        default=timedelta(seconds=25),
        metadata={"kind": SPAN, "doc": "How long a stopping engine waits for requests that are under way."},
    )
    retention: timedelta | None = field(
        default=None,
        metadata={
            "kind": SPAN,
            "doc": "How long ended jobs and their history are kept. Empty: 7d in SQLite and in memory, 24h in Redis.",
        },
    )
    wait_max: timedelta = field(
        default=timedelta(seconds=60), metadata={"kind": SPAN, "doc": "Longest `?wait` of a client."}
    )
    poll_timeout_max: timedelta = field(
        default=timedelta(seconds=60), metadata={"kind": SPAN, "doc": "Longest wait of a worker's poll."}
    )
    body_bytes_max: int = field(default=10**6, metadata={"kind": SIZE, "doc": "Largest body of a request."})
    result_bytes_max: int = field(
        default=8 * 10**6, metadata={"kind": SIZE, "doc": "Largest body of a worker's result."}
    )
    jobs_open_max: int = field(
        default=1_000_000,
        metadata={
            "kind": number(1, 10**9),
            "doc": "Open jobs at which new ones are answered 503; those that run go on.",
        },
    )
    history_pending_max: int = field(
        default=1_000_000,
        metadata={
            "kind": number(1, 10**9),
            "doc": "Entries waiting for the history database at which new jobs are answered 503; those that run go on.",
        },
    )
    history_retention: timedelta = field(
        default=timedelta(days=90),
        metadata={
            "kind": SPAN,
            "doc": "How long the history database keeps a job's history after the job's end. Without such a database "
            "`retention` counts.",
        },
    )
    calls_allow: tuple[str, ...] = field(
        default=(),
        metadata={
            "kind": HOSTS,
            "doc": "Hosts that may be called although they are not on the internet at large: names, addresses and "
            "networks, each with a port (`localhost:8000`) or without one.",
        },
    )
    calls_ports: tuple[int, ...] = field(
        default=(80, 443), metadata={"kind": PORTS, "doc": "Ports at which hosts may be called."}
    )
    calls_at_once: int = field(
        default=2_000,
        metadata={"kind": number(1, 100_000), "doc": "Calls that one engine process makes at a time; others wait."},
    )
    calls_per_host: int = field(
        default=500,
        metadata={"kind": number(1, 100_000), "doc": "Connections of one engine process to one host at a time."},
    )
    calls_timeout: timedelta = field(
        default=timedelta(seconds=30),
        metadata={"kind": SPAN, "doc": "How long a call may take that has no `timeout` of its own."},
    )
    calls_timeout_max: timedelta = field(
        default=timedelta(minutes=5),
        metadata={"kind": SPAN, "doc": "How long a call may take, whatever its `timeout` says."},
    )
    calls_body_bytes_max: int = field(
        default=10**6, metadata={"kind": SIZE, "doc": "Largest body of an answer to a call; at most as large is read."}
    )
    calls_ca: Path | None = field(
        default=None,
        metadata={"kind": PATH, "doc": "File of further certificates (PEM) that servers of calls are verified by."},
    )
    partitions: int = field(
        default=1,
        metadata={
            "kind": number(1, 256),
            "doc": "Partitions of the store. Fixed when the store is first used.",
        },
    )
    store_id: str | None = field(
        default=None,
        metadata={
            "kind": IDENTITY,
            "doc": "Identity that the store in Redis must have, so that an emptied one is not taken for a new one; the "
            "first start logs it.",
        },
    )
    log_format: str = field(
        default="text", metadata={"kind": choice("text", "json"), "doc": "How log lines are written."}
    )
    log_level: str = field(
        default="info",
        metadata={
            "kind": choice("debug", "info", "warning", "error"),
            "doc": "The least important lines that are logged.",
        },
    )
    config: Mapping[str, Json] = field(
        default_factory=dict,
        metadata={
            "kind": CONFIG,
            "doc": "Constants that blueprints read as `config.name`; a job keeps those of its start.",
        },
    )
    secrets: Mapping[str, SecretSource] = field(
        default_factory=dict,
        repr=False,
        metadata={
            "kind": SECRETS,
            "doc": 'Secrets by name: `name = "text"`, `{env = "VARIABLE"}` or `{file = "path"}`. '
            "`AVTOMAT_SECRET_NAME` and `AVTOMAT_SECRET_NAME_FILE` add to them.",
        },
    )

    @property
    def embedded(self) -> bool:
        """Whether the store lives in this process, so that there can be one engine only."""
        return self.store.startswith((SQLITE, "memory:"))

    @property
    def retention_span(self) -> timedelta:
        """How long ended jobs are kept, by the store where nothing is set."""
        usual = timedelta(days=7 if self.embedded else 1)
        return usual if self.retention is None else self.retention

    @property
    def sqlite_path(self) -> Path | None:
        """The file of an SQLite store."""
        return Path(self.store.removeprefix(SQLITE)) if self.store.startswith(SQLITE) else None


KIND_OF: Final[Mapping[str, Kind]] = {each.name: each.metadata["kind"] for each in fields(Settings)}
"""How the value of each setting is read and shown, by name, in the order in which they are shown."""

DOC_OF: Final[Mapping[str, str]] = {each.name: each.metadata["doc"] for each in fields(Settings)}
"""What each setting means, by name."""


def flag_of(name: str) -> str:
    """The flag of a setting on the command line."""
    return "--" + name.replace("_", "-")


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return "AVTOMAT_" + name.upper()
