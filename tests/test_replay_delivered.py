"""The replay's book of delivered trades: exact whatever order ids come in."""

from random import Random

import pytest

from replay.delivered import Ids, merge


@pytest.mark.parametrize("seed", range(20))
def test_ids_are_a_set_kept_as_ranges(seed):
    random = Random(seed)
    ids, plain = Ids(), set()
    for _ in range(200):
        first = random.randrange(100)
        last = first + random.choice((0, 0, 0, 1, 7))
        ids.add_range(first, last)
        plain.update(range(first, last + 1))
        assert list(ids) == sorted(plain) and len(ids) == len(plain)
        assert all((number in ids) == (number in plain) for number in range(110))
    ranges = ids.ranges()
    assert all(b[0] > a[1] + 1 for a, b in zip(ranges, ranges[1:], strict=False))


def test_merging_keeps_what_was_there():
    first, second = Ids(), Ids()
    first.add_range(1, 3)
    second.add_range(3, 9)
    known = {"SOLUSDT": first}
    merge(known, {"SOLUSDT": second, "SUIUSDT": second})
    assert known["SOLUSDT"].ranges() == [(1, 9)] and known["SUIUSDT"].ranges() == [(3, 9)]
