"""Guessing is slowed down, and nobody can be locked out by strangers (S-14..S-18)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kodgate.web.addresses import Networks, caller_ip, canonical, is_loopback, prefix, source
from kodgate.web.limits import Pace, SimulationLimit, Throttle, ThrottleLimits

HOME, HOTEL = "198.51.100.7", "203.0.113.9"


def _guess(throttle: Throttle, login: str, ip: str, now: float, password: str = "wrong") -> bool:
    heard = throttle.hears(login, password, ip=ip, now=now)
    if heard:
        throttle.failed(login, ip=ip, now=now)
    return heard


def test_five_wrong_logins_are_free_then_the_delay_doubles_to_a_minute():
    throttle = Throttle()
    assert all(_guess(throttle, "alice", HOTEL, 0.0) for _ in range(5))
    now, delays = 0.0, []
    for _ in range(9):
        waited = 0.0
        while not throttle.hears("alice", "wrong", ip=HOTEL, now=now):
            now += 0.5
            waited += 0.5
        delays.append(waited)
        throttle.failed("alice", ip=HOTEL, now=now)
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_failures_are_forgotten_after_the_window():
    throttle = Throttle()
    for _ in range(8):
        _guess(throttle, "alice", HOTEL, 0.0)
    assert all(_guess(throttle, "alice", HOTEL, 4000.0) for _ in range(5))


def test_neighbours_of_one_prefix_share_their_failures():
    throttle = Throttle()
    for host in range(5):
        assert _guess(throttle, "alice", f"203.0.113.{host}", 0.0)
    assert not throttle.hears("alice", "wrong", ip="203.0.113.99", now=0.5)
    assert throttle.hears("alice", "wrong", ip="203.0.114.1", now=0.5)


def test_a_thousand_addresses_cannot_lock_out_a_known_one():
    throttle = Throttle()
    throttle.succeeded("alice", "right", ip=HOME)
    heard = sum(_guess(throttle, "alice", f"10.{i // 250}.{i % 250}.1", 1.0) for i in range(1000))
    assert heard == 100
    assert throttle.hears("alice", "right", ip=HOME, now=2.0)
    assert throttle.hears("alice", "other", ip=HOME, now=2.0)
    assert not throttle.hears("alice", "right", ip=HOTEL, now=2.0)
    assert throttle.hears("alice", "right", ip=HOTEL, now=1.0 + 3600)


def test_the_right_password_is_heard_beside_a_guesser_in_the_same_prefix():
    throttle = Throttle()
    throttle.succeeded("alice", "right", ip=HOME)
    for _ in range(20):
        _guess(throttle, "alice", "198.51.100.200", 1.0)
    assert not throttle.hears("alice", "wrong", ip="198.51.100.200", now=1.0)
    assert throttle.hears("alice", "right", ip=HOME, now=1.0)


def test_a_known_password_that_is_right_again_lets_its_prefix_be_heard():
    throttle = Throttle()
    throttle.succeeded("alice", "right", ip=HOME)
    for _ in range(20):
        _guess(throttle, "alice", HOME, 1.0)
    assert not throttle.hears("alice", "wrong", ip=HOME, now=1.0)
    assert throttle.knows("alice", "right", ip=HOME)
    throttle.succeeded("alice", "right", ip=HOME, known=True)
    assert throttle.hears("alice", "wrong", ip=HOME, now=1.0)
    assert throttle.knows("alice", "right", ip=HOME)


def test_spraying_many_logins_from_one_source_is_slowed_and_bounded():
    throttle = Throttle(ThrottleLimits(table_max=500))
    heard = sum(_guess(throttle, f"user{i}", HOTEL, 0.0) for i in range(10_000))
    assert heard == 50
    for i in range(10_000):
        _guess(throttle, "x" * 10_000 + str(i), f"2001:db8:{i:x}::1", 0.0)
    assert throttle.rows <= 2000


def test_a_source_in_trouble_does_not_touch_others():
    throttle = Throttle()
    for i in range(200):
        _guess(throttle, f"user{i}", HOTEL, 0.0)
    assert throttle.hears("alice", "right", ip=HOME, now=0.0)


def test_simulations_are_counted_by_the_minute_and_loopback_is_free():
    limit = SimulationLimit(per_minute=2)
    assert [limit.takes(ip=HOME, now=1.0) for _ in range(3)] == [True, True, False]
    assert limit.takes(ip=HOTEL, now=1.0)
    assert limit.takes(ip=HOME, now=62.0)
    assert all(limit.takes(ip="127.0.0.1", now=0.0) for _ in range(100))
    assert all(limit.takes(ip="::1", now=0.0) for _ in range(100))


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=60))
def test_what_was_right_last_is_always_heard_whatever_else_happens(steps):
    throttle = Throttle()
    throttle.succeeded("alice", "right", ip=HOME)
    now = 0.0
    for same_prefix, later in steps:
        now += later
        _guess(throttle, "alice", HOME if same_prefix else HOTEL, now)
        assert throttle.hears("alice", "right", ip=HOME, now=now)


def test_an_ipv4_address_in_ipv6_clothes_is_the_ipv4_address():
    assert canonical("::ffff:192.0.2.1") == "192.0.2.1"
    assert "::ffff:10.0.0.1" in Networks(["10.0.0.0/8"])
    assert is_loopback("::ffff:127.0.0.1")


def test_prefixes_are_24_and_64():
    assert prefix("192.0.2.77") == "192.0.2.0/24"
    assert prefix("2001:db8::1") == prefix("2001:db8::ffff") == "2001:db8::/64"
    assert source("192.0.2.77") == "192.0.2.77"
    assert source("2001:db8::1") == "2001:db8::/64"


@pytest.mark.parametrize("line", ["0177.0.0.1", "10.0.0.1/8", "host", "١.1.1.1", "1.2.3"])
def test_odd_network_lines_are_refused(line):
    with pytest.raises(ValueError):
        Networks([line])


HOPS = {
    "no header": ("", "192.0.2.1"),
    "one hop": ("203.0.113.9", "203.0.113.9"),
    "forged first hop": ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
    "proxies behind it": ("6.6.6.6,203.0.113.9, 192.0.2.5", "203.0.113.9"),
    "only proxies": ("192.0.2.9", "192.0.2.9"),
    "garbage": ("6.6.6.6, <script>", "192.0.2.1"),
    "garbage behind a proxy": ("6.6.6.6, unknown, 192.0.2.5", "192.0.2.5"),
    "arabic digits": ("١.1.1.1", "192.0.2.1"),
}


@pytest.mark.parametrize(("header", "expected"), HOPS.values(), ids=HOPS.keys())
def test_the_caller_is_the_right_most_hop_that_we_do_not_run(header, expected):
    assert caller_ip("192.0.2.1", header, Networks(["192.0.2.0/24"])) == expected
    assert caller_ip("198.51.100.1", header, Networks(["192.0.2.0/24"])) == "198.51.100.1"


def test_who_comes_sooner_than_the_pace_waits_for_an_even_turn() -> None:
    pace = Pace(per_second=10, wait_max_s=60)
    assert [pace.wait_s(now=5.0) for _ in range(3)] == pytest.approx([0.0, 0.1, 0.2])
    assert pace.wait_s(now=5.2) == pytest.approx(0.1)


def test_a_pace_that_was_kept_makes_nobody_wait() -> None:
    pace = Pace(per_second=10, wait_max_s=60)
    assert [pace.wait_s(now=second / 5) for second in range(50)] == [0.0] * 50


def test_nobody_waits_longer_for_the_pace_than_its_limit() -> None:
    pace = Pace(per_second=10, wait_max_s=0.25)
    assert [pace.wait_s(now=5.0) for _ in range(100)][3:] == pytest.approx([0.25] * 97)
