"""kill -9 at every step of a build and at any moment of a collector: nothing is lost, and the
next run heals it."""

import asyncio
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from campaign import Campaign
from forks import Forks, Kill
from killed_collector import KilledCollector
from killed_lake import KilledLake

POSIX = pytest.mark.skipif(os.name == "nt", reason="kill -9 and fork of POSIX")
# Kills one after another, each of the build that the one before left work for.
CHAIN = 8
# Kills of the collector on one lake, which is built and checked then.
RUNS = 5
# The parts of a build that write what must be whole; in others a kill finds nothing to break.
WRITING = ("stage", "publish", "lake_db", "unchanged", "metadata", "recover", "part", "unsealed")


class Steps:
    """The steps of a build, in the order of their first coming, and how often each was killed."""

    def __init__(self, trace: list[str]) -> None:
        self.names = list(dict.fromkeys(step for step in trace if step.startswith(WRITING)))
        self.first, self.times = trace[0], Counter(trace)
        self.killed: Counter[str] = Counter()

    def chain(self, chance: random.Random) -> list[Kill]:
        """Kills in the order of a build, of the steps that were killed least."""
        least = sorted(self.names, key=lambda name: (self.killed[name], chance.random()))[:CHAIN]
        return [self._kill(name, chance) for name in self.names if name in least]

    def _kill(self, name: str, chance: random.Random) -> Kill:
        at_once = chance.random() < 0.5
        nth = chance.randint(1, self.times[name])
        return Kill(name, nth, 0.0 if at_once else chance.expovariate(100))


def build_steps(forks: Forks, lake: KilledLake, tmp_path: Path) -> Steps:
    lake.restore()
    trace = tmp_path / "steps"
    code, output = build(forks, lake, trace=trace)
    assert code == 0, output
    return Steps(trace.read_text(encoding="utf-8").splitlines())


def build(forks: Forks, lake: KilledLake, **options) -> tuple[int, str]:
    return forks.run("build", "--threads", "1", "--config", str(lake.folder), **options)


def kill_and_heal(
    forks: Forks, lake: KilledLake, steps: Steps, chance: random.Random, told: Campaign
) -> None:
    """A chain of killed builds, then one that is left alone."""
    lake.restore()
    for kill in steps.chain(chance):
        code, output = build(forks, lake, kill=kill)
        assert code <= 0, output
        steps.killed[kill.step] += code < 0
        told.saw("builds killed" if code else "builds that ended before the step came")
        told.saw(f"killed at `{kill.step}`", int(code < 0))
        lake.check_between()
    heal(forks, lake, told)


def heal(forks: Forks, lake: KilledLake, told: Campaign) -> None:
    """A build that nobody kills: all is as if none had been."""
    code, output = build(forks, lake)
    assert code == 0, output
    lake.check_healed()
    told.saw("builds left alone that healed all")


@POSIX
def test_a_build_killed_at_steps_chosen_by_seed_is_healed_by_the_next(campaign, tmp_path):
    told = campaign("kill -9 at steps of a build", 1)
    with Forks() as forks:
        lake = KilledLake(tmp_path)
        steps = build_steps(forks, lake, tmp_path)
        for seed in told.seeds:
            kill_and_heal(forks, lake, steps, random.Random(seed), told)
    assert told.seen["builds killed"] >= told.rounds


@POSIX
@pytest.mark.soak
def test_a_build_killed_at_every_step_is_healed_by_the_next(campaign, tmp_path):
    """Until each step was killed as often as there are rounds."""
    told = campaign("kill -9 at every step of a build", 100)
    chance = random.Random(told.first_seed)
    with Forks() as forks:
        lake = KilledLake(tmp_path)
        steps = build_steps(forks, lake, tmp_path)
        while min(steps.killed[name] for name in steps.names) < told.rounds:
            kill_and_heal(forks, lake, steps, chance, told)


@POSIX
@pytest.mark.soak
def test_a_build_killed_at_random_moments_is_healed_by_the_next(campaign, tmp_path):
    told = campaign("kill -9 of a build at random moments", 100)
    with Forks() as forks:
        lake = KilledLake(tmp_path)
        begun = time.monotonic()
        steps = build_steps(forks, lake, tmp_path)
        whole_s = time.monotonic() - begun
        for seed in told.seeds:
            chance = random.Random(seed)
            if seed % CHAIN == 1:
                lake.restore()
            kill = Kill(steps.first, after_s=chance.uniform(0.001, whole_s))
            code, output = build(forks, lake, kill=kill)
            assert code <= 0, output
            told.saw("builds killed" if code else "builds done before the moment came")
            lake.check_between()
            if seed % CHAIN == 0:
                heal(forks, lake, told)


@POSIX
@pytest.mark.soak
def test_a_users_table_in_lake_db_outlives_kills_while_that_is_renewed(campaign, tmp_path):
    """The table lies in the write-ahead log alone, which a crashed shell has left."""
    told = campaign("kill -9 while lake.db is renewed that holds a user's table", 1)
    with Forks() as forks:
        lake = KilledLake(tmp_path)
        lake.put_table()
        lake.save()
        names = [name for name in build_steps(forks, lake, tmp_path).names if "lake_db" in name]
        for seed in told.seeds:
            name = names[seed % len(names)]
            lake.restore()
            code, output = build(forks, lake, kill=Kill(name))
            assert code < 0, output
            assert lake.tables() >= 1
            code, output = build(forks, lake)
            assert code == 0, output
            assert lake.tables() == 1 and lake.newest_view() == "new"
            told.saw(f"killed at `{name}`, table kept")


@POSIX
def test_a_collector_killed_again_and_again_loses_nothing_that_it_wrote(campaign, tmp_path):
    told = campaign("kill -9 of the collector", 1)
    for seed in told.seeds:
        asyncio.run(KilledCollector(tmp_path / f"{seed}", seed, told).run(kills=2))


@POSIX
@pytest.mark.soak
def test_many_collectors_killed_lose_nothing_that_they_wrote(campaign, tmp_path):
    told = campaign("kill -9 of the collector", 100)
    for seed in told.seeds[::RUNS]:
        asyncio.run(KilledCollector(tmp_path / f"{seed}", seed, told).run(kills=RUNS))
