"""Values of `core`: `changed` is `dataclasses.replace`, and `quick` an `__init__`, only faster."""

from __future__ import annotations

import dataclasses

import pytest

from kodgate.core.types import Message, Packet, State, Task, changed, quick

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


@dataclasses.dataclass(frozen=True, slots=True)
class Plain:
    a: int
    b: str = "b"
    c: tuple[int, ...] = dataclasses.field(default=(), kw_only=True)


@quick
@dataclasses.dataclass(frozen=True, slots=True)
class Quick:
    a: int
    b: str = "b"
    c: tuple[int, ...] = dataclasses.field(default=(), kw_only=True)


@pytest.mark.parametrize(
    ("given", "named"), [((1,), {}), ((1, "x"), {"c": (2,)}), ((), {"a": 1, "b": "x"})]
)
def test_a_quick_value_is_what_a_plain_one_is(given: tuple[int], named: dict[str, str]) -> None:
    value = Quick(*given, **named)  # type: ignore[arg-type]
    plain = Plain(*given, **named)  # type: ignore[arg-type]
    assert type(value) is Quick and dataclasses.astuple(value) == dataclasses.astuple(plain)
    assert value == dataclasses.replace(value) and hash(value) == hash(plain)


@pytest.mark.parametrize(("given", "named"), [((), {}), ((1, "x", ()), {}), ((1,), {"d": 4})])
def test_a_quick_value_takes_what_its_fields_take(given: tuple[int], named: dict[str, str]) -> None:
    with pytest.raises(TypeError):
        Quick(*given, **named)  # type: ignore[arg-type]


def test_a_quick_value_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Quick(1).a = 2  # type: ignore[misc]
