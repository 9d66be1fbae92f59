"""The limit: an aiohttp handler that parses JSON and runs one script of ten commands through redis-py, nothing else.

It is what a service of this kind costs that does no work of its own. Run as a program, with port and URL of Redis.
"""

from __future__ import annotations

import sys
from itertools import count

import orjson
import redis.asyncio
import uvloop
from aiohttp import web

TEN_COMMANDS = """
local number = redis.call('INCR', KEYS[1])
redis.call('HSET', KEYS[2], 'number', number, 'input', ARGV[1])
redis.call('EXPIRE', KEYS[2], 60)
redis.call('ZADD', KEYS[3], number, ARGV[2])
redis.call('LPUSH', KEYS[4], ARGV[2])
redis.call('RPOP', KEYS[4])
redis.call('SADD', KEYS[5], ARGV[2])
redis.call('SREM', KEYS[5], ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[2])
redis.call('PUBLISH', KEYS[6], ARGV[2])
return number
"""


def application(redis_url: str) -> web.Application:
    """One route, POST /."""
    client = redis.asyncio.Redis.from_url(redis_url)
    script = client.register_script(TEN_COMMANDS)
    numbers = count()

    async def answer(request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        name = f"job-{next(numbers)}"
        keys = ["bare:count", f"bare:{name}", "bare:index", "bare:queue", "bare:open", "bare:news"]
        number = await script(keys=keys, args=[orjson.dumps(body["input"]), name])
        return web.Response(body=orjson.dumps({"job_id": name, "number": number}), content_type="application/json")

    async def leave(_: web.Application) -> None:
        await client.aclose()

    app = web.Application()
    app.router.add_post("/", answer)
    app.on_cleanup.append(leave)
    return app


if __name__ == "__main__":
    web.run_app(
        application(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        loop=uvloop.new_event_loop(),
        print=lambda *_: print("listening", flush=True),
    )
