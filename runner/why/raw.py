"""The files in which the raw lines of one second may stand, and the hour parts made of them."""

from pathlib import Path

from runner.build.inventory import folders
from runner.build.packed import pack_of, unpack
from runner.build.publish import file_list
from runner.build.raw_hours import Hour, hours_of_day
from runner.moments import DAY_US, HOURS_A_DAY, day_of, day_text
from runner.paths import HOUR_US, REPAIR, encode


class Near:
    """The files of a symbol around the second that begins at `from_us`."""

    def __init__(self, base: Path, exchange: str, symbol: str, from_us: int):
        self.base, self.of, self.from_us = base, (exchange, symbol), from_us
        self.place = Path(encode(exchange), encode(symbol))
        self.folder = base / "raw" / self.place
        self.days = [day_of(from_us + days * DAY_US) for days in (-1, 0, 1)]

    def places(self) -> list[tuple[str, str, str]]:
        """Where each raw part of the days around stands: day, name, path below the raw folder."""
        found = []
        for day in self.days:
            for hour in hours_of_day(self.folder / day, *self.of, day, reads_packed=True):
                pack = pack_of(hour.folder).name
                found += [(day, name, f"{pack}/{name}") for name in hour.packed]
                found += [(day, name, f"{day}/{name}") for name in hour.loose]
        return found

    def staged(self, stream: str) -> str:
        """The hour parts of the days around as a DuckDB list, empty where there are none."""
        found = [
            hour / f"{stream}.parquet"
            for day in folders(self.base / "work" / "staged" / self.place)
            if day.name in self.days
            for hour in folders(day)
            if (hour / "note.json").is_file() and (hour / f"{stream}.parquet").is_file()
        ]
        return file_list(found) if found else ""

    def parts(self, hours: list[int], scratch: Path) -> str:
        """The raw parts of some hours of receipt (counted from 1970), and all repairs of those days
        and of the second's, as a DuckDB list; what is packed is unpacked into `scratch`. Empty
        where there are none.
        """
        wanted = {(day_text(hour // HOURS_A_DAY), hour % HOURS_A_DAY) for hour in hours}
        wanted.add((day_of(self.from_us), self.from_us // HOUR_US % HOURS_A_DAY))
        found = []
        for day in sorted({day for day, _ in wanted}):
            for hour in hours_of_day(self.folder / day, *self.of, day, reads_packed=True):
                found += _files(hour, (day, hour.hour) in wanted, scratch)
        return file_list(found) if found else ""


def _files(hour: Hour, is_wanted: bool, scratch: Path) -> list[Path]:
    """The parts of an hour, or of one that is not wanted its repairs; packed ones unpacked."""
    loose = [name for name in hour.loose if is_wanted or REPAIR.match(name)]
    packed = [name for name in hour.packed if is_wanted or REPAIR.match(name)]
    pack = pack_of(hour.folder)
    unpacked = unpack(pack, packed, scratch / pack.name) if packed else []
    return [*(hour.folder / name for name in loose), *unpacked]
