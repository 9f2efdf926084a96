"""The sample tenant: a small shop that tells three people, in two languages, that their order is on its way."""

from typing import Any

TENANT = "sample"
CATEGORY = "orders"
WORKFLOW = "order-shipped"
EVENT_TYPE = "com.shop.order.shipped"
SOURCE = "https://shop.example"
LOST_PARCEL = "parcel-lost"
TEAM = "parcel-team"
WEBHOOK_WORKFLOW = "order-delivered"
WEBHOOK_EVENT_TYPE = "com.shop.order.delivered"
WEBHOOK_ENDPOINT = "catcher"
WEBHOOK_SECRET = "whsec_c2FtcGxlLXNlY3JldC1vZi10aGUtbG9jYWwtc3RhY2s="  # noqa: S105 -- the catcher on loopback, not a secret

APP_WORKFLOW = "order-arrived"
APP_EVENT_TYPE = "com.shop.order.arrived"

TENANT_SETTINGS: dict[str, Any] = {
    "name": "Sample shop",
    "default_locale": "en",
    "senders": {
        "email": {"address": "orders@shop.example", "name": "Sample shop", "reply_to": "help@shop.example"},
        "sms": {"address": "+14155550100"},
    },
}

CATEGORIES: dict[str, dict[str, Any]] = {CATEGORY: {"name": "Your orders", "default": "on"}}

WORKFLOWS: dict[str, dict[str, Any]] = {
    WORKFLOW: {
        "name": "Order shipped",
        "event_types": [EVENT_TYPE],
        "category": CATEGORY,
        "lane": "transactional",
        "channels": ["email", "sms", "push"],
        "data_schema": {
            "type": "object",
            "required": ["order", "carrier", "arrives"],
            "properties": {
                "order": {"type": "string"},
                "carrier": {"type": "string"},
                "arrives": {"type": "string"},
                "articles": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name", "quantity"],
                        "properties": {"name": {"type": "string"}, "quantity": {"type": "integer"}},
                    },
                },
            },
        },
    }
}

WORKFLOWS[LOST_PARCEL] = {
    "name": "Parcel lost, told to the shop's own people",
    "event_types": ["com.shop.parcel.lost"],
    "category": CATEGORY,
    "lane": "transactional",
    "channels": ["chat"],
    "data_schema": {
        "type": "object",
        "required": ["order", "carrier"],
        "properties": {"order": {"type": "string"}, "carrier": {"type": "string"}},
    },
}
WORKFLOWS[WEBHOOK_WORKFLOW] = {
    "name": "Order delivered, told to the shop's own systems",
    "event_types": [WEBHOOK_EVENT_TYPE],
    "category": CATEGORY,
    "lane": "transactional",
    "channels": ["webhook"],
}
WORKFLOWS[APP_WORKFLOW] = {
    "name": "Order arrived, told in the app",
    "event_types": [APP_EVENT_TYPE],
    "category": CATEGORY,
    "lane": "transactional",
    "channels": ["inapp"],
}

RECIPIENTS: dict[str, dict[str, Any]] = {
    "anna": {
        "email": "anna@shop.example",
        "phone": "+14155550101",
        "locale": "en",
        "time_zone": "America/New_York",
        "attributes": {"first_name": "Anna"},
    },
    "bernd": {
        "email": "bernd@shop.example",
        "phone": "+491713920001",
        "locale": "de",
        "time_zone": "Europe/Berlin",
        "attributes": {"first_name": "Bernd"},
    },
    "clara": {
        "email": "clara@shop.example",
        "phone": "+491713920002",
        "locale": "de-DE",
        "time_zone": "Europe/Berlin",
        "attributes": {"first_name": "Clara"},
    },
    TEAM: {"chats": [{"id": "parcels", "kind": "slack", "address": "C0PARCELS"}], "locale": "en"},
}

DEVICES: dict[str, dict[str, dict[str, Any]]] = {
    "anna": {"annas-phone": {"token": "local-token-anna-0001"}},
    "bernd": {"bernds-telefon": {"token": "local-token-bernd-0001"}},
    "clara": {"claras-telefon": {"token": "local-token-clara-0001"}},
}
"""recipient -> device -> what the push service knows of it."""

_EMAIL_EN = """\
<!doctype html>
<html lang="en"><body style="font-family: system-ui, sans-serif; color: #1f2933">
<h1 style="font-size: 20px">On its way, {{ recipient.attributes.first_name }}!</h1>
<p>Your order <strong>{{ data.order }}</strong> left our warehouse today. {{ data.carrier }} brings it on {{ data.arrives }}.</p>
{% if data.articles is defined %}<ul>{% for item in data.articles %}<li>{{ item.quantity }} x {{ item.name }}</li>{% endfor %}</ul>{% endif %}
<p style="color: #616e7c; font-size: 12px"><a href="{{ links.unsubscribe }}">Unsubscribe</a></p>
</body></html>
"""

_EMAIL_DE = """\
<!doctype html>
<html lang="de"><body style="font-family: system-ui, sans-serif; color: #1f2933">
<h1 style="font-size: 20px">Unterwegs zu dir, {{ recipient.attributes.first_name }}!</h1>
<p>Deine Bestellung <strong>{{ data.order }}</strong> hat heute unser Lager verlassen. {{ data.carrier }} bringt sie am {{ data.arrives }}.</p>
{% if data.articles is defined %}<ul>{% for item in data.articles %}<li>{{ item.quantity }} x {{ item.name }}</li>{% endfor %}</ul>{% endif %}
<p style="color: #616e7c; font-size: 12px"><a href="{{ links.unsubscribe }}">Abbestellen</a></p>
</body></html>
"""

TEMPLATES: dict[tuple[str, str], dict[str, str]] = {
    ("email", "en"): {
        "subject": "Your order {{ data.order }} is on its way",
        "html": _EMAIL_EN,
        "text": "Hello {{ recipient.attributes.first_name }},\n\nyour order {{ data.order }} is on its way: "
        "{{ data.carrier }} brings it on {{ data.arrives }}.\n\nUnsubscribe: {{ links.unsubscribe }}\n",
    },
    ("email", "de"): {
        "subject": "Deine Bestellung {{ data.order }} ist unterwegs",
        "html": _EMAIL_DE,
        "text": "Hallo {{ recipient.attributes.first_name }},\n\ndeine Bestellung {{ data.order }} ist unterwegs: "
        "{{ data.carrier }} bringt sie am {{ data.arrives }}.\n\nAbbestellen: {{ links.unsubscribe }}\n",
    },
    ("sms", "en"): {
        "body": "Your order {{ data.order }} is on its way: {{ data.carrier }}, {{ data.arrives }}."
    },
    ("sms", "de"): {
        "body": "Deine Bestellung {{ data.order }} ist unterwegs: {{ data.carrier }}, {{ data.arrives }}."
    },
    ("push", "en"): {
        "title": "On its way",
        "body": "{{ data.carrier }} brings order {{ data.order }} on {{ data.arrives }}.",
    },
    ("push", "de"): {
        "title": "Unterwegs",
        "body": "{{ data.carrier }} bringt Bestellung {{ data.order }} am {{ data.arrives }}.",
    },
    ("chat", "en"): {
        "title": "Parcel lost",
        "text": "{{ data.carrier }} has lost the parcel of order *{{ data.order }}*.",
        "actions.1.label": "Open the order",
        "actions.1.url": "https://shop.example/orders/{{ data.order }}",
    },
    ("webhook", "en"): {"title": "Delivered", "body": "Order {{ data.order }} was delivered."},
    ("inapp", "en"): {
        "title": "Order {{ data.order }} has arrived",
        "body": "Is everything in it?",
        "link": "https://shop.example/orders",
        "actions.1.name": "help",
        "actions.1.label": "Something is missing",
        "actions.1.url": "https://shop.example/help",
        "data.order": "{{ data.order }}",
    },
    ("inapp", "de"): {
        "title": "Bestellung {{ data.order }} ist da",
        "body": "Ist alles drin?",
        "link": "https://shop.example/orders",
        "actions.1.name": "help",
        "actions.1.label": "Es fehlt etwas",
        "actions.1.url": "https://shop.example/help",
        "data.order": "{{ data.order }}",
    },
}
"""(channel, locale) -> parts, of the one workflow that has this channel."""


def workflow_on(channel: str) -> str:
    """The sample workflow that uses a channel."""
    return next(key for key, workflow in WORKFLOWS.items() if channel in workflow["channels"])


DATA: dict[str, Any] = {
    "order": "A-1042",
    "carrier": "DHL",
    "arrives": "2026-11-27",
    "articles": [{"name": "Teapot", "quantity": 1}, {"name": "Cup", "quantity": 4}],
}
"""What the sample events say."""

ENDPOINTS: dict[str, Any] = {
    "tenant": TENANT,
    "workflow": WORKFLOW,
    "event_type": EVENT_TYPE,
    "recipients": list(DEVICES),
    "data": DATA,
}
"""What endpoints.json says of the sample."""
