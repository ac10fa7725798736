"""Python's zoneinfo as an oracle, over PyPI's tzdata and not the machine's.

With "changes" as argument: prints the version, then for every zone each change of its clocks from 2024 to 2030 as
"zone change offset_before offset_after" (seconds since the epoch, seconds east of UTC).
Without: reads "zone year month day hour minute" lines, prints seconds since the epoch (a gap moves forward by the
gap, a repeated time means the first).
"""

import sys
import zoneinfo
from datetime import datetime, timedelta, timezone

import tzdata

zoneinfo.reset_tzpath(to=[])
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def second(instant):
    return int((instant - EPOCH).total_seconds())


def offset(zone, at):
    return zone.utcoffset((EPOCH + timedelta(seconds=at)).astimezone(zone))


def changes(zone):
    """Where the offset changes: looked for every day, then halved down to the second."""
    at, end = second(datetime(2024, 1, 1, tzinfo=timezone.utc)), second(datetime(2031, 1, 1, tzinfo=timezone.utc))
    before = offset(zone, at)
    while at < end:
        after = offset(zone, at + 86400)
        if after != before:
            low, high = at, at + 86400
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
            yield high, int(before.total_seconds()), int(after.total_seconds())
        at, before = at + 86400, after


if sys.argv[1:] == ["changes"]:
    print(tzdata.IANA_VERSION)
    for name in sorted(zoneinfo.available_timezones()):
        for found in changes(zoneinfo.ZoneInfo(name)):
            print(name, *found)
else:
    for line in sys.stdin:
        name, *parts = line.split()
        wall = datetime(*map(int, parts), tzinfo=zoneinfo.ZoneInfo(name), fold=0)
        print(second(wall.astimezone(timezone.utc)))
