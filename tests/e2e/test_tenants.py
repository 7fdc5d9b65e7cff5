"""Two customers of one gateway: nothing of one is seen or moved by the other (S-25..S-29)."""

from __future__ import annotations

import pytest
from tests.e2e.caller import Caller

pytestmark = pytest.mark.e2e

PHONE = "79123456789"
NOBODYS = "1999999"


@pytest.fixture(scope="module")
def bob(shared: Caller) -> Caller:
    """The second customer; `shared` is the first."""
    return shared.account("bob")


def _forms(foreign: str, missing: str) -> list[tuple[str, dict[str, str], dict[str, str]]]:
    return [
        (path, {name: foreign, "format": format}, {name: missing, "format": format})
        for path in ("/http_out5.asp",)
        for name in ("packet_id", "message_id", "paket_id")
        for format in ("txt", "xml")
    ]


def test_a_foreign_id_and_a_missing_one_are_answered_alike(shared: Caller, bob: Caller) -> None:
    sent = shared.send(PHONE, message_id=42)
    for foreign in (sent["packet_id"], sent["message_id"]):
        for path, theirs, nobodys in _forms(foreign, NOBODYS):
            assert bob.post(path, **theirs) == bob.post(path, **nobodys)
        for name in ("package_id", "mess_id"):
            assert bob.json("/status", **{name: foreign}) == bob.json("/status", **{name: NOBODYS})
    assert bob.json("/status", user_mess_id="42")["errcode"] == "107"


def test_a_foreign_code_cannot_be_confirmed_nor_its_tries_used_up(
    shared: Caller, bob: Caller
) -> None:
    sent = shared.send("70000000002", valid_period=300)
    for _ in range(6):
        foreign = bob.json("/confirm", package_id=sent["packet_id"], code=sent["code"])
        missing = bob.json("/confirm", package_id=NOBODYS, code=sent["code"])
        assert foreign == missing
        assert foreign["errcode"] == "107"
    right = shared.json("/confirm", package_id=sent["packet_id"], code=sent["code"])
    assert right["state"] == "Confirmed"


def test_the_packet_counts_and_a_foreign_message_beside_it_shows_nothing(
    shared: Caller, bob: Caller
) -> None:
    theirs, own = shared.send(PHONE), bob.send("79120000002")
    body = bob.post(
        "/http_out5.asp", packet_id=own["packet_id"], message_id=theirs["message_id"], format="xml"
    )
    assert own["message_id"] in body
    assert theirs["message_id"] not in body
    body = bob.post("/http_out5.asp", packet_id=theirs["packet_id"], message_id=own["message_id"])
    assert "error_code = 107" in body


def test_the_same_id_of_two_customers_is_two_packets(shared: Caller, bob: Caller) -> None:
    alice_first, bob_first = (
        caller.json("/send", tel_list=PHONE, mode=6, user_mess_id="order-7")
        for caller in (shared, bob)
    )
    assert alice_first["pakage"] != bob_first["pakage"]
    for caller, sent in ((shared, alice_first), (bob, bob_first)):
        assert caller.json("/status", user_mess_id="order-7")["pakage"] == sent["pakage"]


def test_the_uniqueness_check_looks_at_one_customer_only(shared: Caller, bob: Caller) -> None:
    bob.set("unique_message_ids=yes")
    shared.json("/send", tel_list=PHONE, mode=6, user_mess_id="order-8")
    first = bob.json("/send", tel_list=PHONE, mode=6, user_mess_id="order-8")
    again = bob.json("/send", tel_list=PHONE, mode=6, user_mess_id="order-8")
    assert (first["state"], again["errcode"]) == ("Accepted", "19")
    assert again["pakage"] == first["pakage"]
    bob.set("unique_message_ids=no")
    assert bob.json("/send", tel_list=PHONE, mode=6, user_mess_id="order-8")["state"] == "Accepted"


def test_one_customers_money_pays_nothing_of_anothers(shared: Caller) -> None:
    carol = shared.account("carol", balance="2.10")
    before = shared.post("/http_credit.asp")
    assert carol.send(PHONE)["balance_after"] == "0,00"
    assert carol.send(PHONE)["error_code"] == "3"
    assert shared.post("/http_credit.asp") == before
    assert [entry.kind for entry in carol.ledger()] == ["topup", "charge"]


def test_one_customers_secret_opens_nothing_of_anothers(shared: Caller, bob: Caller) -> None:
    mixed = Caller(shared.gateway, login=bob.login, password=shared.password)
    unknown = Caller(shared.gateway, login="nobody", password=shared.password)
    said = [caller.post("/http_credit.asp") for caller in (mixed, unknown)]
    assert said == ["0", "0"]
    refused = [
        caller.post("/http_in5.asp", mode="TELE", phone_list=PHONE) for caller in (mixed, unknown)
    ]
    assert refused[0] == refused[1]
    assert "balance" not in refused[0]


def test_a_blocked_customer_is_refused_and_what_was_accepted_still_ends(shared: Caller) -> None:
    dave = shared.account("dave", "sender=dave", "template=Code {code}")
    sent = dave.send("70000000002", to_sms=1, valid_period=60)
    dave.command("account", "set", "dave", "--set", "status=blocked")
    refused = dave.send(PHONE)
    while refused.get("error_num") == "OK":  # the account is at most a second old
        refused = dave.send(PHONE)
    assert refused["error_code"] == "2"
    dave.command("account", "set", "dave", "--set", "status=active")
    dave.until_login()
    assert [m["result_id"] for m in dave.until_final(sent["packet_id"])] == ["7", "6"]


def test_an_old_secret_lives_as_long_as_its_overlap(shared: Caller) -> None:
    erin = shared.account("erin")
    printed = erin.command("account", "secret", "erin", "--overlap-hours", "1")
    new = printed.partition("http_password: ")[2].split()[0]
    renewed = Caller(shared.gateway, login="erin", password=new)
    renewed.until_login()
    assert erin.send(PHONE)["error_num"] == "OK"
    erin.command("account", "secret", "erin", "--overlap-hours", "0")
    renewed.until_refused()
    assert erin.post("/http_in5.asp", mode="TELE").count("error_code = 1\r\n") == 2


def test_all_of_it_left_the_ledger_sound(shared: Caller) -> None:
    assert shared.problems() == []
