"""What kept scopes are counted for."""

from __future__ import annotations

from typing import Any, cast

from avtomat.core.scope import Scope
from avtomat.runtime.jobs.kept import ENTRY_BYTES, Kept, KeptScopes


class _Head:
    def __init__(self, job: str) -> None:
        self.job = job


def kept(job: str, path: str = "/", *, size: int = 0, head_size: int = 0) -> Kept:
    return Kept(
        program=cast("Any", None),
        head=cast("Any", _Head(job)),
        scope=Scope(path=path),
        record={},
        client="",
        trace=None,
        updated_ms=0,
        size=size,
        head_size=head_size,
    )


def test_a_job_s_head_counts_once_for_all_its_scopes_and_leaves_with_the_last() -> None:
    scopes = KeptScopes(scopes_max=10, bytes_max=10**9)
    scopes.put(kept("a", "/", size=10, head_size=1_000))
    scopes.put(kept("a", "/each/1", size=20, head_size=1_000))
    both = scopes.bytes_kept
    scopes.drop("a", "/")
    one = scopes.bytes_kept
    scopes.drop("a", "/each/1")

    assert both == 2 * ENTRY_BYTES + 30 + 1_000
    assert one == ENTRY_BYTES + 20 + 1_000
    assert scopes.bytes_kept == 0


def test_a_scope_that_is_kept_anew_is_counted_as_it_is_now() -> None:
    scopes = KeptScopes(scopes_max=10, bytes_max=10**9)
    scopes.put(kept("a", size=10, head_size=1_000))
    scopes.put(kept("a", size=30, head_size=2_000))

    assert scopes.bytes_kept == ENTRY_BYTES + 30 + 2_000


def test_large_inputs_of_many_jobs_are_not_all_kept() -> None:
    scopes = KeptScopes(scopes_max=1_000, bytes_max=100_000)
    for number in range(20):
        scopes.put(kept(str(number), head_size=20_000))

    assert scopes.bytes_kept <= 100_000
    assert scopes.at("19", "/") is not None
    assert scopes.at("0", "/") is None
