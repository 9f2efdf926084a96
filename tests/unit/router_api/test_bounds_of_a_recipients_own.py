"""What the model of a recipient's preferences takes fits into the body that is read at `/v1/me/…`."""

import json

from tocsin.contracts.vocabulary import Channel
from tocsin.router.api.app import OWN_BYTES
from tocsin.router.api.me import MyPreferencesWrite


def test_as_many_preferences_as_are_taken_fit_into_a_body() -> None:
    longest = {
        "channel": max(Channel, key=len),
        "category": "c" * 128,
        "workflow": "w" * 128,
        "enabled": False,
    }
    body = json.dumps({"preferences": [longest] * 1000})
    assert len(MyPreferencesWrite.model_validate_json(body).preferences) == 1000
    assert len(body) <= OWN_BYTES
