"""Values of `core`: `changed` is `dataclasses.replace`, only faster."""

from __future__ import annotations

import dataclasses

import pytest

from kodgate.core.types import Message, Packet, State, Task, changed

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


def test_the_value_itself_stays_as_it_was_and_frozen() -> None:
    other = changed(MESSAGE, state=State.SENT)
    assert (MESSAGE.state, other.state) == (State.QUEUED, State.SENT)
    with pytest.raises(dataclasses.FrozenInstanceError):
        other.state = State.FAILED  # type: ignore[misc]


def test_a_field_that_is_not_there_is_refused() -> None:
    with pytest.raises(AttributeError):
        changed(MESSAGE, colour="red")
