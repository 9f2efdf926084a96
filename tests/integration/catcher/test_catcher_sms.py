"""The Twilio endpoint: what it answers, and everything it refuses."""

from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest

from tocsin.catcher.testing import TWILIO_ACCOUNT, TWILIO_TOKEN, RunningCatcher

Starter = Callable[..., RunningCatcher]


GOOD = {"To": "+14155552671", "From": "+15005550006", "Body": "Hello"}
SERVICE = "MG" + "0" * 32


def test_a_message_is_answered_as_twilio_does_and_kept(catcher: RunningCatcher) -> None:
    notification, delivery = str(uuid4()), str(uuid4())
    callback = f"https://tocsin.example/callbacks/twilio?delivery={delivery}&notification={notification}"
    answer = catcher.sms({**GOOD, "StatusCallback": callback})

    assert answer.status_code == 201
    resource = answer.json()
    assert resource["sid"].startswith("SM")
    assert len(resource["sid"]) == 34
    expected = {
        "status": "queued",
        "direction": "outbound-api",
        "num_segments": "1",
        "error_code": None,
        "account_sid": TWILIO_ACCOUNT,
        "to": GOOD["To"],
        "from": GOOD["From"],
        "body": "Hello",
        "api_version": "2010-04-01",
    }
    assert expected.items() <= resource.items()
    [sms] = catcher.messages(channel="sms")
    shown = {
        "to": GOOD["To"],
        "from": GOOD["From"],
        "body": "Hello",
        "segments": 1,
        "encoding": "GSM-7",
        "units": 5,
    }
    assert {**shown, "sid": resource["sid"]}.items() <= sms.items()
    assert (sms["notification_id"], sms["delivery_id"]) == (notification, delivery)


def test_a_messaging_service_chooses_the_sender_later(catcher: RunningCatcher) -> None:
    form = {"To": GOOD["To"], "Body": "Hello", "MessagingServiceSid": SERVICE}
    answer = catcher.sms(form).json()
    assert (answer["status"], answer["from"], answer["messaging_service_sid"]) == ("accepted", None, SERVICE)
    assert answer["num_segments"] == "0"


def test_ids_may_come_as_headers(catcher: RunningCatcher) -> None:
    notification = str(uuid4())
    catcher.sms(GOOD, headers={"X-Tocsin-Notification": notification})
    assert catcher.messages()[0]["notification_id"] == notification


def test_a_number_is_kept_as_twilio_writes_it(catcher: RunningCatcher) -> None:
    assert catcher.sms({**GOOD, "To": "+1 (415) 555-2671"}).json()["to"] == "+14155552671"


@pytest.mark.parametrize("sender", ["+15005550006", "12345", "Acme Shop"])
def test_numbers_short_codes_and_names_may_send(catcher: RunningCatcher, sender: str) -> None:
    assert catcher.sms({**GOOD, "From": sender}).status_code == 201


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"To": None}, 21604),
        ({"To": ""}, 21604),
        ({"Body": None}, 21602),
        ({"Body": ""}, 21602),
        ({"From": None}, 21603),
        ({"Body": "x" * 1601}, 21617),
        ({"To": "12"}, 21211),
        ({"To": "ada@example.com"}, 21211),
        ({"To": "+1999"}, 21211),
        ({"To": "+15005550001"}, 21211),
        ({"To": "+15005550002"}, 21612),
        ({"To": "+15005550003"}, 21408),
        ({"To": "+15005550004"}, 21610),
        ({"To": "+15005550009"}, 21614),
        ({"From": "+15005550001"}, 21212),
        ({"From": "Acme Shop Limited"}, 21212),
        ({"From": "+15005550007"}, 21606),
        ({"From": "+15005550008"}, 21611),
        ({"From": None, "MessagingServiceSid": "MG12"}, 21705),
        ({"StatusCallback": "not a url"}, 21609),
    ],
    ids=str,
)
def test_what_twilio_refuses_is_refused(
    catcher: RunningCatcher, change: dict[str, str | None], code: int
) -> None:
    form = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    answer = catcher.sms(form)
    assert answer.status_code == 400
    assert answer.json()["code"] == code
    assert answer.json()["status"] == 400
    assert answer.json()["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert catcher.messages() == []


@pytest.mark.parametrize(
    ("auth", "account"),
    [
        (None, TWILIO_ACCOUNT),
        ((TWILIO_ACCOUNT, "wrong"), TWILIO_ACCOUNT),
        (("AC" + "2" * 32, TWILIO_TOKEN), TWILIO_ACCOUNT),
        ((TWILIO_ACCOUNT, TWILIO_TOKEN), "AC" + "2" * 32),
    ],
    ids=["nothing", "wrong token", "wrong account", "another's resource"],
)
def test_who_is_not_the_account_is_refused(
    catcher: RunningCatcher, auth: tuple[str, str] | None, account: str
) -> None:
    answer = catcher.sms(GOOD, auth=auth, account=account)
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)
    assert "Basic" in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("authorization", ["Basic %%%", "Basic", "Bearer x", ""])
def test_an_authorization_that_is_none_is_refused(catcher: RunningCatcher, authorization: str) -> None:
    assert catcher.sms(GOOD, auth=None, headers={"Authorization": authorization}).status_code == 401


def test_json_is_not_a_form(catcher: RunningCatcher) -> None:
    path = f"{catcher.url}/2010-04-01/Accounts/{TWILIO_ACCOUNT}/Messages.json"
    assert httpx.post(path, json=GOOD, auth=(TWILIO_ACCOUNT, TWILIO_TOKEN)).json()["code"] == 21604


def test_without_an_account_everybody_is_refused(start_catcher: Starter) -> None:
    catcher = start_catcher(CATCHER_TWILIO_ACCOUNT_SID="", CATCHER_TWILIO_AUTH_TOKEN="")
    assert catcher.sms(GOOD).json()["code"] == 20003
