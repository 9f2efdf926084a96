"""A page of the sample shop: `<tocsin-inbox>` signed in as the demo recipient, what it is sent, and what the timelines say of it.

browser ── /token, /messages, /timelines ──▶ shop_server (it has the shop's key of tokens and its API key) ──▶ entry
   └────── /v1/inbox, /v1/me with the token ─────────────────────────────────────────────────────────────────▶ entry
"""
