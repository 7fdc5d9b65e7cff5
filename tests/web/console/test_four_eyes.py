"""Large transfers by hand: one operator asks, another one books."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.engine.house import FUNDS
from tests.web.console.kit import Office, Person, office

ALONE_MAX = 1_000_000
LARGE = {"amount": "100,0001", "document": "PP 7", "comment": "contract 3"}


@pytest.fixture
async def careful(tmp_path: Path) -> AsyncIterator[Office]:
    """One operator books up to 100 alone."""
    async with office(tmp_path, alone_max=ALONE_MAX, running=False) as found:
        yield found


@pytest.fixture
async def olga(careful: Office) -> AsyncIterator[Person]:
    async with careful.person("olga") as person:
        yield person


@pytest.fixture
async def igor(careful: Office) -> AsyncIterator[Person]:
    async with careful.person("igor") as person:
        yield person


async def balance(found: Office) -> int:
    account = await found.house.store.account_by_id(found.house.alice.id)
    assert account is not None
    return account.balance


async def number(found: Office) -> int:
    (one,) = await found.console.proposals.waiting()
    return one.id


async def test_up_to_the_limit_one_operator_is_enough(careful: Office, olga: Person):
    assert "Проведено." in await olga.do("accounts/1/topup", amount="100", document="PP 1")
    assert await balance(careful) == FUNDS + ALONE_MAX


async def test_many_small_top_ups_are_no_way_around(careful: Office, olga: Person, igor: Person):
    await olga.do("accounts/1/topup", amount="60", document="PP 1")
    form = {"amount": "−30", "comment": "too much", "once": "1"}
    assert "Проведено." in await olga.do("accounts/1/adjust", **form)
    text = await olga.do("accounts/1/topup", amount="10,0001", document="PP 2")
    assert "Ждёт второго оператора" in text
    assert await balance(careful) == FUNDS + 300_000
    assert "Проведено." in await olga.do("accounts/1/topup", amount="10", document="PP 3")
    assert "Проведено." in await igor.do("accounts/1/topup", amount="100", document="PP 4")
    bob = await careful.house.store.create_account(login="bob", name="Bob", at=0)
    assert "Проведено." in await olga.do(f"accounts/{bob.id}/topup", amount="100", document="PP 5")


async def test_a_document_that_is_booked_counts_once(careful: Office, olga: Person):
    for _ in range(3):
        await olga.do("accounts/1/topup", amount="40", document="PP 1")
    assert "Проведено." in await olga.do("accounts/1/topup", amount="60", document="PP 2")


async def test_a_larger_top_up_waits_and_moves_nothing(careful: Office, olga: Person):
    text = await olga.do("accounts/1/topup", **LARGE)
    assert "Ждёт второго оператора: баланс пока не изменился." in text
    assert "Просит olga" in text
    assert "Провести может только другой оператор." in text
    assert await balance(careful) == FUNDS
    (line,) = await careful.audits("payment_proposed")
    assert line.detail == "topup, 100.0001, PP 7, contract 3"


async def test_whoever_asked_cannot_book_it(careful: Office, olga: Person):
    await olga.do("accounts/1/topup", **LARGE)
    text = await olga.do(f"proposals/{await number(careful)}/approve")
    assert "Свою операцию провести нельзя" in text
    assert await balance(careful) == FUNDS


async def test_another_operator_books_it_once(careful: Office, olga: Person, igor: Person):
    await olga.do("accounts/1/topup", **LARGE)
    one = await number(careful)
    assert "Ждут второго оператора" in await igor.see("accounts")
    text = await igor.do(f"proposals/{one}/approve")
    assert "Проведено." in text
    assert "PP 7" in text
    assert "Эта операция уже решена." in await igor.do(f"proposals/{one}/approve")
    assert await balance(careful) == FUNDS + 1_000_001
    (line,) = await careful.audits("payment_approved")
    assert (line.actor, line.detail) == ("igor", "topup 100.0001, asked by olga")
    assert "Ждут второго оператора" not in await igor.see("accounts")


async def test_a_refused_one_is_never_booked(careful: Office, olga: Person, igor: Person):
    await olga.do("accounts/1/topup", **LARGE)
    one = await number(careful)
    assert "Операция отклонена" in await igor.do(f"proposals/{one}/refuse")
    assert "Эта операция уже решена." in await igor.do(f"proposals/{one}/approve")
    assert await balance(careful) == FUNDS
    assert len(await careful.audits("payment_refused")) == 1


async def test_whoever_asked_may_take_it_back(careful: Office, olga: Person):
    await olga.do("accounts/1/topup", **LARGE)
    assert "Операция отклонена" in await olga.do(f"proposals/{await number(careful)}/refuse")


@pytest.mark.parametrize("amount", ["150", "−150"])
async def test_a_large_correction_waits_too(careful: Office, olga: Person, amount: str):
    form = {"amount": amount, "comment": "wrong account", "once": amount}
    assert "Ждёт второго оператора" in await olga.do("accounts/1/adjust", **form)
    assert await balance(careful) == FUNDS


async def test_one_document_waits_once(careful: Office, olga: Person):
    await olga.do("accounts/1/topup", **LARGE)
    assert "уже пополнен" in await olga.do("accounts/1/topup", **LARGE)
    assert len(await careful.console.proposals.waiting()) == 1


async def test_a_large_credit_limit_is_no_way_around(careful: Office, olga: Person):
    form = {"tariff": "default", "credit_limit": "100.0001"}
    text = await olga.do("accounts/1/change", **form)
    assert "Такой кредитный лимит один оператор не ставит." in text
    text = await olga.do("accounts", login="carol", name="", **form)
    assert "Такой кредитный лимит один оператор не ставит." in text
    assert "Сохранено" in await olga.do("accounts/1/change", tariff="default", credit_limit="100")


async def test_an_approval_asks_for_the_password(careful: Office, olga: Person, igor: Person):
    await olga.do("accounts/1/topup", **LARGE)
    await careful.stale()
    text = await igor.do(f"proposals/{await number(careful)}/approve", proof="wrong")
    assert "Пароль кабинета не подошёл" in text
    assert await balance(careful) == FUNDS


@pytest.mark.parametrize("name", ["x", "0", "99999999999999"])
async def test_an_unknown_proposal_is_told_as_decided(igor: Person, name: str):
    assert "Эта операция уже решена." in await igor.do(f"proposals/{name}/approve")
