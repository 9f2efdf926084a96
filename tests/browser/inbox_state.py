"""Ada's inbox, as a stand-in for `/v1/inbox` and `/v1/me` answers for it."""

import json
import queue
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

TOKEN, OLD_TOKEN = "token-of-ada", "token-that-has-expired"
CATEGORIES: Final = {"orders": "Your orders", "codes": "Sign-in codes"}


@dataclass
class InboxService:
    """Ada's inbox. Tests change what it answers while it runs; `asked` has each request as (method, path, body)."""

    origin: str = ""
    url: str = ""
    items: list[dict[str, Any]] = field(default_factory=list)
    switched: dict[tuple[str, str], bool] = field(default_factory=dict)
    devices: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    streams: list["queue.Queue[bytes | None]"] = field(default_factory=list)
    good_tokens: set[str] = field(default_factory=lambda: {TOKEN})
    streams_work: bool = True
    is_down: bool = False
    router: str = ""
    """The address of a real router, which then answers `/v1/me`."""
    opened: list[int] = field(default_factory=list)
    """Of each stream, after which item it began."""
    _tickets: set[str] = field(default_factory=set)

    def add(self, title: str, **fields: Any) -> dict[str, Any]:
        """A new item, told to every stream."""
        seq = len(self.items) + 1
        item = {
            "id": f"item-{seq}", "seq": seq, "category": "orders", "title": title, "body": "", "data": {}, "actions": [],
            "created_at": "2026-11-27T12:00:00Z",
        }  # fmt: skip
        self.items.append(item | fields)
        self.tell("item", self.items[-1], seq)
        self.tell("counts", self.counts())
        return self.items[-1]

    def counts(self) -> dict[str, int]:
        unseen = sum("seen_at" not in item for item in self.items)
        unread = sum("read_at" not in item for item in self.items)
        return {"unseen": unseen, "unread": unread, "last_seq": len(self.items)}

    def tell(self, event: str, data: Any, seq: int | None = None) -> None:
        number = f"id: {seq}\n" if seq else ""
        for stream in list(self.streams):
            stream.put(f"event: {event}\n{number}data: {json.dumps(data)}\n\n".encode())

    def end_streams(self) -> None:
        for stream in list(self.streams):
            stream.put(None)

    def calls(self, method: str, path: str) -> list[Any]:
        """The bodies that were sent there."""
        return [body for how, where, body in self.asked if (how, where.partition("?")[0]) == (method, path)]

    def answer(self, method: str, path: str, body: Any) -> Any:
        """What is answered with 200; None: nothing is there."""
        where, query = urlsplit(path).path, {k: v[0] for k, v in parse_qs(urlsplit(path).query).items()}
        routes: dict[str, Callable[..., Any]] = {
            r"GET /v1/inbox/counts": self.counts,
            r"GET /v1/inbox/items": lambda: self._page(query),
            r"POST /v1/inbox/items/seen": lambda: self._seen(body["until"]),
            r"PATCH /v1/inbox/items/([^/]+)": lambda item: self._changed(item, body),
            r"POST /v1/inbox/items/([^/]+)/actions/(.+)": lambda item, name: self._changed(
                item, {"clicked": name}
            ),
            r"POST /v1/inbox/tickets": self._ticket,
            r"GET /v1/me/preferences": self._preferences,
            r"PATCH /v1/me/preferences": lambda: self._switch(body["preferences"]),
            r"PUT /v1/me/devices/(.+)": lambda device: self.devices.setdefault(device, body),
            r"DELETE /v1/me/devices/(.+)": lambda device: self.devices.pop(device, None),
        }
        for route, act in routes.items():
            if match := re.fullmatch(route, f"{method} {where}"):
                return act(*match.groups())
        return None

    def _seen(self, until: int) -> dict[str, int]:
        for item in self.items:
            if item["seq"] <= until:
                item.setdefault("seen_at", "2026-11-27T12:01:00Z")
        self.tell("counts", self.counts())
        return self.counts()

    def _ticket(self) -> dict[str, Any]:
        ticket = f"ticket-{len(self.asked)}"
        self._tickets.add(ticket)
        return {"ticket": ticket, "expires_in": 60}

    def _switch(self, changes: list[dict[str, Any]]) -> dict[str, Any]:
        for change in changes:
            self.switched[change["category"], change["channel"]] = change["enabled"]
        return self._preferences()

    def takes_ticket(self, ticket: str) -> bool:
        taken = ticket in self._tickets
        self._tickets.discard(ticket)
        return taken

    def _page(self, query: dict[str, str]) -> dict[str, Any]:
        limit = int(query.get("limit", 20))
        if "after" in query:
            data = [item for item in self.items if item["seq"] > int(query["after"])]
        else:
            first = int(query.get("cursor", 10**9))
            archived = query.get("archived") == "true"
            data = [
                item
                for item in reversed(self.items)
                if item["seq"] < first
                and ("archived_at" in item) is archived
                and not ("unread" in query and "read_at" in item)
            ]
        has_more = len(data) > limit
        return {
            "data": data[:limit],
            "has_more": has_more,
            "next_cursor": str(data[limit - 1]["seq"]) if has_more else None,
        }

    def _changed(self, name: str, change: dict[str, Any]) -> dict[str, Any]:
        item = next(item for item in self.items if item["id"] == name)
        for what, value in change.items():
            if what == "clicked":
                item["clicked"] = {"action": value, "at": "2026-11-27T12:02:00Z"}
            elif value:
                item[f"{what}_at"] = "2026-11-27T12:02:00Z"
            else:
                item.pop(f"{what}_at", None)
        self.tell("changed", item)
        return item

    def _preferences(self) -> dict[str, Any]:
        def row(category: str, channel: str, workflow: str | None) -> dict[str, Any]:
            required = category == "codes"
            enabled = required or self.switched.get((category, channel), True)
            rule = "required" if required else "default"
            return {
                "channel": channel,
                "category": category,
                "workflow": workflow,
                "enabled": enabled,
                "rule": rule,
            }

        uses = [("orders", "email"), ("orders", "push"), ("codes", "sms")]
        effective = [row(*use, workflow) for use in uses for workflow in (None, "any")]
        effective.append(row("orders", "sms", None))  # no workflow uses it
        return {"stored": [], "effective": effective, "names": CATEGORIES}
