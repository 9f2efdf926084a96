"""Does a provider take what we give it, how fast, and what happens when it does not?"""

from tocsin.specifications.dashboards.panels import Choice, Dashboard, Row, Unit, lines
from tocsin.specifications.dashboards.queries import largest, median_and_99th, query, rate, total

_PROVIDER = 'channel=~"$channel", provider=~"$provider"'
_NAMED = "{{channel}} {{provider}}"
_BY = "channel, provider"

PROVIDER = Dashboard(
    name="provider",
    title="Provider",
    question="Does a provider take what we give it, how fast, and what happens when it does not?",
    choices=(
        Choice(name="channel", title="Channel", metric="tocsin_provider_places"),
        Choice(name="provider", title="Provider", metric="tocsin_provider_places"),
    ),
    rows=(
        Row(
            title="Calls",
            panels=(
                lines(
                    "Calls, by answer",
                    "How does each provider answer our calls?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_sends_total", by=f"{_BY}, outcome", where=_PROVIDER), f"{_NAMED} {{{{outcome}}}}"),
                ),
                lines("Seconds of a call", "How fast does each provider answer?", Unit.SECONDS, *median_and_99th("tocsin_send_seconds", by=_BY, where=_PROVIDER, legend=_NAMED)),
                lines(
                    "Calls at once, of what is allowed",
                    "Is a provider's `max_in_flight` what holds messages up?",
                    Unit.SHARE,
                    query(
                        f"{total('tocsin_provider_calls', by=_BY, where=_PROVIDER)} / {total('tocsin_provider_places', by=_BY, where=_PROVIDER)}",
                        _NAMED,
                    ),
                ),
            ),
        ),
        Row(
            title="What came of them",
            panels=(
                lines(
                    "Ends of deliveries, by reason",
                    "Is what we accept sent; if not, why, and whose fault is it?",
                    Unit.PER_SECOND,
                    query(
                        rate("tocsin_deliveries_total", by="provider, status, reason, fault", where=_PROVIDER),
                        "{{provider}} {{status}} {{reason}}, fault: {{fault}}",
                    ),
                    width=16,
                ),
                lines(
                    "Tried again in process",
                    "Which provider makes us try again?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_send_retries_total", by=_BY, where=_PROVIDER), _NAMED),
                ),
                lines(
                    "Passed on to the next provider",
                    "Which provider do we leave for the next one?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_failovers_total", by=_BY, where=_PROVIDER), _NAMED),
                ),
                lines(
                    "Sent a second time",
                    "How many messages may arrive twice, because a provider did not say whether it has them?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_resends_total", by=f"{_BY}, idempotency", where=_PROVIDER), f"{_NAMED} {{{{idempotency}}}}"),
                    empty="The series begins with the first second send.",
                ),
                lines(
                    "Connections",
                    "How many connections does a provider see from us?",
                    Unit.NUMBER,
                    query(total("tocsin_provider_connections", by=_BY, where=_PROVIDER), _NAMED),
                ),
            ),
        ),
        Row(
            title="Receipts",
            panels=(
                lines(
                    "What providers tell",
                    "What becomes of messages after providers took them: delivered, bounced, complained?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_receipts_total", by=f"{_BY}, status", where=_PROVIDER), f"{_NAMED} {{{{status}}}}"),
                    width=16,
                    empty="The series begins with the first receipt; see docs/receipts.md.",
                ),
                lines(
                    "Callbacks refused",
                    "Does a provider's callback fail, or does somebody forge them?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_receipts_refused_total", by=f"{_BY}, cause", where=_PROVIDER), f"{_NAMED} {{{{cause}}}}"),
                    empty="The series begins with the first callback that is refused.",
                ),
            ),
        ),
        Row(
            title="Tracking",
            panels=(
                lines(
                    "Opened and clicked",
                    "Do people open and click, and how much of it do machines?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_engagements_total", by="channel, status, automated"), "{{channel}} {{status}} automated {{automated}}"),
                    width=16,
                ),
                lines(
                    "Not tracked",
                    "Are mails tracked whose category wants it, and if not, why?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_tracked_messages_total", by="channel, tracking, outcome"), "{{channel}} {{tracking}} {{outcome}}"),
                ),
            ),
        ),
        Row(
            title="Left alone",
            panels=(
                lines(
                    "Breakers open",
                    "Which provider is left alone now?",
                    Unit.NUMBER,
                    query(total("tocsin_breakers", by=f"{_BY}, state", where=_PROVIDER), f"{_NAMED} {{{{state}}}}"),
                    empty="The series begins with the first breaker that opens.",
                ),
                lines(
                    "Breakers opened within an hour",
                    "Which provider has failed, or refuses our credentials?",
                    Unit.NUMBER,
                    query(f"sum by ({_BY}, cause) (increase(tocsin_breaker_openings_total{{{_PROVIDER}}}[1h]))", f"{_NAMED} {{{{cause}}}}"),
                ),
                lines(
                    "Dispatchers that read nothing more",
                    "Does a dispatcher stand still, because no provider works?",
                    Unit.NUMBER,
                    query(largest("tocsin_paused", by="component"), "{{component}}"),
                ),
            ),
        ),
    ),
)  # fmt: skip
