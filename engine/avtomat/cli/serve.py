"""`avtomat serve`: run the engine in production; tokens are needed."""

from __future__ import annotations

import logging
import socket
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from avtomat.cli.serving import address_unusable, serve
from avtomat.cli.setting_flags import FLAGGED, add_setting_flags, settings_of
from avtomat.cli.supervisor import Child, supervise
from avtomat.errors import UsageError
from avtomat.logs import set_up_logs
from avtomat.runtime.service import Service
from avtomat.settings import Settings

log = logging.getLogger(__name__)


def add_arguments(parser: ArgumentParser) -> None:
    """A flag for each setting that may stand on a command line."""
    add_setting_flags(parser, *FLAGGED)


def run(args: Namespace) -> int:
    """Serve until SIGTERM or SIGINT; 2 without tokens or when the port is taken, 5 when the store cannot be used."""
    settings = settings_of(args)
    _refuse_without_tokens(settings)
    set_up_logs(settings)
    if settings.processes == 1:
        return serve(settings, _announce)
    with _reserved_port(settings) as port:
        return _serve_many(replace(settings, port=port))


def _serve_many(settings: Settings) -> int:
    def serve_one(child: Child) -> int:
        def announce(engine: Service, address: str) -> None:
            _announce(engine, address)
            child.ready()

        return serve(settings, announce, shared=True, lifeline=child.lifeline)

    return supervise(settings.processes, serve_one)


def _announce(engine: Service, address: str) -> None:
    log.info("listening on %s", address)
    ready, why = engine.readiness()
    if not ready:
        log.error("not ready: %s", ", ".join(why))


def _refuse_without_tokens(settings: Settings) -> None:
    names = [
        variable
        for variable, token, file in (
            ("AVTOMAT_CLIENT_TOKEN", settings.client_token, settings.clients),
            ("AVTOMAT_WORKER_TOKEN", settings.worker_token, settings.workers),
        )
        if token is None and file is None
    ]
    if names:
        raise UsageError(
            f"the engine does not serve without tokens: {' and '.join(names)} not set",
            hint="make one each with `openssl rand -hex 32`, or write clients.toml and workers.toml; `avtomat dev` "
            "needs none and serves this machine only",
        )


@contextmanager
def _reserved_port(settings: Settings) -> Iterator[int]:
    """The port that all processes will share, held meanwhile. Refuses one on which somebody else listens."""
    family, _, _, _, address = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)  # without SO_REUSEPORT, so that another engine's port is taken, not shared
        except OSError as error:
            raise address_unusable(settings, error) from error
        port: int = probe.getsockname()[1]
    with socket.socket(family, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((address[0], port, *address[2:]))
        yield port
