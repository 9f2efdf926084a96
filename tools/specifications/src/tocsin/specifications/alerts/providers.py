"""Alerts on providers."""

from typing import Final

from tocsin.specifications.alerts.alert import Alert, Severity

_PUT_OFF: Final = 'tocsin_deferrals_total{reason!~"recheck|set_aside"}'
"""Because of what a provider said."""
_OPEN: Final = "sum by (channel, provider) (tocsin_breakers) > 0"


def _of_its_dispatcher(expression: str) -> str:
    """With the label `component`, by which what waits behind a provider is silenced."""
    return f'label_replace(\n  {expression},\n  "component", "dispatch-$1", "channel", "(.+)"\n)'


PROVIDERS: Final = (
    Alert(
        name="TocsinChannelDown",
        severity=Severity.PAGE,
        # A message that is tried as a probe leaves `tocsin_paused` at 0 for a moment: so its average, not its value for some time.
        # A few messages are put off, and wait in timers: then nothing waits in the dispatcher, and it is not paused. What is put off comes
        # back within a quarter of an hour, unless the provider asked for longer. Where a process has put nothing off for longer, nothing of its
        # own waits: its breakers stay open until the next message, and wake nobody.
        expression=(
            "max by (component) (avg_over_time(tocsin_paused[30s])) > 0.5\n"
            "or\n"
            "max by (component) (\n"
            "  avg_over_time(tocsin_no_provider_works[30s]) > 0.5\n"
            f"  and on (component, instance) sum by (component, instance) (increase({_PUT_OFF}[20m])) > 0\n"
            ")"
        ),
        wait="10s",
        summary="No provider of {{ $labels.component }} works",
        users="No message of this channel arrives. They wait, and expire: login codes after ten minutes.",
    ),
    Alert(
        name="TocsinProviderDown",
        severity=Severity.TICKET,
        expression=_of_its_dispatcher(_OPEN),
        wait="5m",
        summary="The provider {{ $labels.provider }} ({{ $labels.channel }}) does not work",
        users="Nothing where another provider takes its messages; those that have no other wait.",
    ),
    Alert(
        name="TocsinCredentialsRefused",
        severity=Severity.PAGE,
        expression=_of_its_dispatcher(
            'sum by (channel, provider) (increase(tocsin_breaker_openings_total{cause="credentials"}[6h])) > 0\n'
            f"  and on (channel, provider) {_OPEN}"
        ),
        wait="0s",
        summary="The provider {{ $labels.provider }} ({{ $labels.channel }}) refuses our credentials",
        users="Messages that have no other provider wait, and expire. It does not end by itself.",
    ),
)
