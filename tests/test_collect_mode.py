"""Whether a run is live or a replay is known before anything is written, whatever starts first."""

import asyncio
import socket
from types import SimpleNamespace

import click
import pytest
from live_market import log_lines
from wire import collect, events, ids, lake

from ingest.collect.sessions import mode_of_lake
from replay.market import Market
from replay.server import Exchange

CLOSED = "http://127.0.0.1:1"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def nobody() -> SimpleNamespace:
    """Addresses where nothing listens."""
    port = free_port()
    return SimpleNamespace(ws_url=f"ws://127.0.0.1:{port}", rest_url=f"http://127.0.0.1:{port}")


def test_a_collector_started_before_its_replay_waits_for_it(tmp_path):
    here, port = lake(tmp_path / "lake", backoff_s=1), free_port()
    source = Market(["SOLUSDT"], duration_s=60)
    exchange = Exchange(source, 100.0, ["drop=at:20s"], port=port)
    exchange_url = exchange.rest_url

    async def main():
        with log_lines() as said:
            running = asyncio.create_task(collect(here, exchange))
            while not any("Asking again every 1 s" in line for line in said):
                await asyncio.sleep(0.01)
            assert not running.done() and mode_of_lake(here.base / "raw") is None
            async with exchange:
                return await running, said

    summary, said = asyncio.run(main())
    assert summary.mode == "replay" and summary.reconnects == 1
    assert [line["mode"] for line in events(here, "start")] == ["replay"]
    assert sum("nothing answers" in line for line in said) == 1
    assert any(line.startswith(f"nothing answers at {exchange_url} (") for line in said)
    assert not any("taken as live" in line for line in said)
    assert "connecting again in 1 s of the replay's clock" in said
    assert set(exchange.delivered["SOLUSDT"]) <= set(ids(here))


def test_a_replay_is_known_by_its_socket_where_rest_does_not_answer(tmp_path):
    here = lake(tmp_path / "lake")

    async def main():
        async with Exchange(Market(["SOLUSDT"], duration_s=20), 100.0) as exchange:
            addresses = SimpleNamespace(ws_url=exchange.ws_url, rest_url=CLOSED)
            return await collect(here, addresses), exchange

    summary, exchange = asyncio.run(main())
    assert summary.mode == "replay" == events(here, "start")[0]["mode"]
    assert ids(here) == sorted(exchange.delivered["SOLUSDT"])


def test_a_lake_of_replays_is_told_that_nothing_answers(tmp_path):
    here = lake(tmp_path / "lake")

    async def main():
        async with Exchange(Market(["SOLUSDT"], duration_s=5), None) as exchange:
            await collect(here, exchange)

    asyncio.run(main())
    before = events(here)
    where = nobody()
    with pytest.raises(click.ClickException) as refused:
        asyncio.run(collect(here, where))
    sentence = refused.value.message
    assert sentence.startswith(f"nothing answers at {where.rest_url} (")
    assert sentence.endswith("; is `lake replay` running?") and "mixed" not in sentence
    assert events(here) == before


def test_waiting_for_an_answer_ends_with_the_duration(tmp_path):
    here = lake(tmp_path / "lake")
    with pytest.raises(click.ClickException, match="nothing answers at"):
        asyncio.run(collect(here, nobody(), 0.1))
    assert mode_of_lake(here.base / "raw") is None
