"""What later plans ask of a published day without its rows: the note that its file carries."""

import duckdb

from runner.build import notes
from runner.build.ticks import hours_of
from runner.paths import HOUR_US


def of_ticks(
    con: duckdb.DuckDBPyConnection, stream: str, day_number: int, complete_until_us: int
) -> dict:
    """The note of a day's trades or quotes; like the file, up to the last complete hour."""
    where = f"hour // 24 = {day_number} and (hour + 1) * {HOUR_US} <= {complete_until_us}"
    if stream == "quotes":
        asked = {"quote_hours": f"from quote_tape_hours where {where} order by hour"}
    else:
        hours = "select * replace (0 as duplicates) from tape_hours"
        asked = {
            "trade_hours": f"{hours} where {where} order by hour",
            "trade_runs": f"select distinct * from noted_runs where {where} order by all",
        }
    return {key: notes.rows_of(con, f"({query})") for key, query in asked.items()}


def of_certificate(con: duckdb.DuckDBPyConnection, day: str) -> dict:
    """The note of a day's certificate: how much there was."""
    trades, duplicates = con.execute(
        "select count, duplicates from tape_days where day = $day", {"day": day}
    ).fetchone()
    return {"trades": trades, "duplicates": duplicates, "absent": absent(con, day)}


def absent(con: duckdb.DuckDBPyConnection, day: str) -> list[dict]:
    """The ranges of ids that the exchange lacks, of a day."""
    where = f"where day_number = {hours_of(day)[0] // 24} order by first_id"
    return notes.rows_of(con, f"(select first_id, last_id from absent_days {where})")


def of_covers(con: duckdb.DuckDBPyConnection, day: str) -> dict:
    """The note of a day's covers."""
    times = "select epoch_us(start_at) as start_us, epoch_us(end_at) as end_us from covers"
    where = f"where day = date '{day}' order by all"
    return {"covers": notes.rows_of(con, f"({times} {where})")}
