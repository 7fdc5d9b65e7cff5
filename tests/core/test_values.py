"""Quick values: as frozen ones in all that is read of them; `changed` is `dataclasses.replace`."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from kodgate.core.types import Message, Packet, State, Task, Transfer
from kodgate.core.values import changed, quick

MESSAGE = Message(
    id=7,
    num=1,
    channel="sms",
    state=State.QUEUED,
    price=21_000,
    created_at=1,
    ends_at=2,
    decide_at=3,
    due_at=4,
    task=Task.SEND,
)
PACKET = Packet(id=1, account_id=2, plan=(), held=3, reserve=True)


@pytest.mark.parametrize("value", [MESSAGE, PACKET], ids=lambda value: type(value).__name__)
def test_a_changed_value_equals_a_replaced_one_in_every_field(value: Message | Packet) -> None:
    for field in dataclasses.fields(value):
        assert changed(value, **{field.name: "new"}) == dataclasses.replace(
            value, **{field.name: "new"}
        )


def test_the_value_itself_stays_as_it_was() -> None:
    other = changed(MESSAGE, state=State.SENT)
    assert (MESSAGE.state, other.state) == (State.QUEUED, State.SENT)


def test_a_field_that_is_not_there_is_refused() -> None:
    with pytest.raises(AttributeError):
        changed(MESSAGE, colour="red")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    number: int
    words: list[str] = dataclasses.field(default_factory=list)
    name: str = "none"


@quick
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    number: int
    words: list[str] = dataclasses.field(default_factory=list)
    name: str = "none"


def test_a_quick_value_has_the_fields_and_defaults_of_a_frozen_one() -> None:
    given: dict[str, Any] = {"number": 1, "words": ["a"]}
    assert dataclasses.asdict(Quick(**given)) == dataclasses.asdict(Plain(**given))
    assert dataclasses.asdict(Quick(number=1)) == dataclasses.asdict(Plain(number=1))


def test_two_quick_values_share_no_default() -> None:
    assert Quick(number=1).words is not Quick(number=1).words


def test_quick_values_are_equal_by_their_fields_and_hash_alike() -> None:
    one, same = (
        Transfer(kind="charge", debit="a", credit="b", amount=1, customer=-1) for _ in "12"
    )
    assert one == same
    assert hash(one) == hash(same)
    assert one != dataclasses.replace(one, amount=2)


def test_a_quick_value_refuses_what_a_frozen_one_refuses() -> None:
    for given in ({}, {"number": 1, "colour": "red"}):
        with pytest.raises(TypeError):
            Quick(**given)
