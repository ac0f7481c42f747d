"""Names on disk: where raw parts, published files and the workshop lie in a lake."""

import re
from datetime import date
from pathlib import Path
from urllib.parse import quote, unquote

PART = re.compile(r"^part_(\d+)(?:_(\d+))?\.jsonl$")
HOUR_US = 3_600_000_000
DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$")
DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
REPAIR = re.compile(r"^repair_(\d+)_.+\.jsonl$")


def encode(name: str) -> str:
    """A folder name that no file system and no hive-key sniffing misreads.

    >>> encode("ES=F"), encode(".."), encode("1000"), encode("a/b")
    ('ES%3DF', '%2E%2E', '1000', 'a%2Fb')

    Windows keeps some names for devices, whatever follows their dot, and drops a dot at the end.

    >>> encode("CON"), encode("nul.x"), encode("ABC.")
    ('%43ON', '%6Eul.x', 'ABC%2E')
    """
    safe = quote(name, safe="").replace("~", "%7E")
    if DEVICE.match(safe):
        safe = f"%{ord(safe[0]):02X}{safe[1:]}"
    bare = safe.rstrip(".")
    return bare + "%2E" * (len(safe) - len(bare))


def decode(folder: str) -> str:
    """The name behind an encoded folder.

    >>> decode("ES%3DF")
    'ES=F'
    """
    return unquote(folder)


def is_encoded(folder: str) -> bool:
    """Whether a folder's name is one that encode() gives.

    >>> is_encoded("ES%3DF"), is_encoded("ES=F"), is_encoded("notes (old)")
    (True, False, False)
    """
    try:
        return encode(decode(folder)) == folder
    except UnicodeEncodeError:  # bytes of a file system that are no text
        return False


def part_name(minute: int, again: int = 1) -> str:
    """The file name of the raw part opened in a UTC minute of the day (0 to 1439).

    >>> part_name(0), part_name(1439), part_name(0, again=2)
    ('part_001.jsonl', 'part_1440.jsonl', 'part_001_2.jsonl')
    """
    return f"part_{minute + 1:03}{'' if again == 1 else f'_{again}'}.jsonl"


def hour_of_part(name: str) -> int | None:
    """The UTC hour (0 to 23) a raw file is filed under, None for a name that is not a raw part's.

    >>> hour_of_part("part_060.jsonl"), hour_of_part("part_061_2.jsonl")
    (0, 1)
    >>> hour_of_part("repair_13_5_9.jsonl"), hour_of_part("part_001.jsonl.open")
    (13, None)
    """
    if match := PART.match(name):
        return min((int(match[1]) - 1) // 60, 23) if int(match[1]) else None
    if match := REPAIR.match(name):
        return int(match[1]) if int(match[1]) < 24 else None
    return None


def is_day(name: str) -> bool:
    """Whether a name is a calendar day.

    >>> is_day("2025-02-28"), is_day("2025-02-30"), is_day("_rest")
    (True, False, False)
    """
    try:
        return bool(DAY.match(name)) and bool(date.fromisoformat(name))
    except ValueError:
        return False


def day_folder(day: str) -> Path:
    """year=/month=/day= folders of a day.

    >>> day_folder("2025-10-20").as_posix()
    'year=2025/month=10/day=20'
    """
    year, month, date = day.split("-")
    return Path(f"year={year}", f"month={month}", f"day={date}")
