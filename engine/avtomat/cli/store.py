"""`avtomat store accept`: say that the store in Redis is to be used as it is, although it was emptied or replaced."""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from avtomat.cli.setting_flags import add_setting_flags, loaded_settings_of
from avtomat.errors import SettingsError, UsageError
from avtomat.setting_kinds import show_url
from avtomat.settings import Settings


def add_arguments(parser: ArgumentParser) -> None:
    """What to do, the confirmation, and where the store is."""
    parser.add_argument("action", choices=("accept",), help="use what the store holds now")
    parser.add_argument("folder", metavar="DIR", nargs="?", type=Path, help="the project's folder (default: this one)")
    parser.add_argument("--yes", action="store_true", help="do it: jobs that are not there any more are given up")
    add_setting_flags(parser, "store")


def run(args: Namespace) -> int:
    """Accept the store; running engines go on with it within seconds."""
    settings = loaded_settings_of(args, folder=args.folder).settings
    if settings.embedded:
        raise UsageError("only a store in Redis has an identity to accept", hint="name it with --store redis://…")
    shown = show_url(settings.store)
    if not args.yes:
        raise UsageError(
            f"engines of this store will go on with what is in {shown} now; jobs that are not there are lost",
            hint="restore the store if you can; to go on without them: avtomat store accept --yes",
        )
    print(asyncio.run(_accept(settings)))
    print(f"avtomat: accepted the store at {shown} under the identity above", file=sys.stderr)
    return 0


async def _accept(settings: Settings) -> str:
    """The identity under which the store was accepted."""
    from avtomat.storage.redis.meta import accept
    from avtomat.storage.redis.wire.connection import RedisConnection
    from avtomat.storage.redis.wire.url import RedisUrlError, parse_redis_url

    try:
        connection = RedisConnection(parse_redis_url(settings.store))
    except RedisUrlError as wrong:
        raise SettingsError(f"store: {wrong}") from None
    await connection.open()
    try:
        return await accept(connection, settings.store_id or "")
    finally:
        await connection.aclose()
