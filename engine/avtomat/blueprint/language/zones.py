"""Clock times in time zones.

Zones come from the package tzdata alone, so that all machines know the same ones with the same rules. Where clocks are
put forward, a time that they leave out is the moment right after the gap; where they are put back, a time that they
show twice is the first.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from avtomat.blueprint.language.limits import EvaluationError
from avtomat.suggest import did_you_mean

_SECOND = timedelta(seconds=1)
_OUTSIDE = "the time lies outside the years 1 to 9999"


def local_time(moment: datetime, zone: str) -> datetime:
    """Return what the clocks of `zone` show at `moment`."""
    try:
        return moment.astimezone(_zone(zone))
    except OverflowError:
        raise EvaluationError(_OUTSIDE) from None


def moment_of(local: datetime) -> datetime:
    """Return the time, in UTC, at which the clocks of its zone show `local`."""
    try:
        moment = local.astimezone(UTC)
        if moment.astimezone(local.tzinfo).replace(tzinfo=None) == local.replace(tzinfo=None):
            return moment
        return _after_the_gap(local, moment)
    except OverflowError:
        raise EvaluationError(_OUTSIDE) from None


def _after_the_gap(local: datetime, late: datetime) -> datetime:
    """Return when the clocks are put forward over `local`; `late` counts with the offset from before."""
    early = local.replace(fold=1).astimezone(UTC)
    before = early.astimezone(local.tzinfo).utcoffset()
    low, high = 0, -((early - late) // _SECOND)
    while high - low > 1:
        middle = (low + high) // 2
        same = (early + middle * _SECOND).astimezone(local.tzinfo).utcoffset() == before
        low, high = (middle, high) if same else (low, middle)
    return (early + high * _SECOND).replace(microsecond=0)


@lru_cache(maxsize=1_024)
def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    if name not in _zone_names():
        raise EvaluationError("there is no such time zone; write one like Europe/Berlin")
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


def near_zone(text: str) -> str | None:
    """The zone that a name was probably meant to be: a slip, or the name of a place alone."""
    words = text.strip().replace(" ", "_").lower()
    for name in sorted(_zone_names()):
        if words and (name.lower() == words or name.lower().rpartition("/")[2] == words):
            return name
    return did_you_mean(text, sorted(_zone_names()), 0.8)


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())
