"""Random numbers from a buffer: uniform, never given away twice, and none from a dead source."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from kodgate.web.chance import TRIES_MAX, WORD_END, WORDS, Chance


def _words(*words: int):
    """A source that begins with these, in the order in which they are drawn."""
    filled = [0] * (512 - len(words)) + list(reversed(words))
    return lambda size: WORDS.pack(*filled)


def test_all_numbers_come_and_none_beside_them():
    draws = Counter(Chance().below(7) for _ in range(7_000))
    assert set(draws) == set(range(7))
    assert all(800 < often < 1_200 for often in draws.values())


def test_a_word_that_would_favour_small_numbers_is_drawn_again():
    assert WORD_END % 10 == 6
    assert Chance(_words(WORD_END - 1, WORD_END - 6, 13)).below(10) == 3
    assert Chance(_words(WORD_END - 7)).below(10) == 9


def test_a_source_that_says_one_thing_for_ever_is_broken():
    with pytest.raises(RuntimeError):
        Chance(_words(*[WORD_END - 1] * TRIES_MAX)).below(10)


def test_a_source_that_fails_stops_the_draw():
    def dead(size: int) -> bytes:
        raise OSError("no randomness")

    with pytest.raises(OSError, match="no randomness"):
        Chance(dead).below(10)


def test_the_source_is_asked_once_for_many_numbers_and_none_comes_twice():
    asked = []

    def source(size: int) -> bytes:
        asked.append(size)
        first = 512 * (len(asked) - 1)
        return WORDS.pack(*range(first, first + 512))

    chance = Chance(source)
    drawn = [chance.below(2**32) for _ in range(1024)]
    assert asked == [4096, 4096]
    assert sorted(drawn) == list(range(1024))


def test_a_forked_process_draws_other_numbers():
    chance = Chance()
    chance.below(10)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b" ".join(b"%d" % chance.below(2**32) for _ in range(8)))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = [int(each) for each in os.read(reading, 4096).split()]
    assert not set(theirs) & {chance.below(2**32) for _ in range(511)}
