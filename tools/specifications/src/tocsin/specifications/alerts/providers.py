"""Alerts on providers."""

from typing import Final

from tocsin.specifications.alerts.alert import Alert, Severity

_OPEN: Final = "sum by (channel, provider) (tocsin_breakers) > 0"


def _of_its_dispatcher(expression: str) -> str:
    """With the label `component`, by which what waits behind a provider is silenced."""
    return f'label_replace(\n  {expression},\n  "component", "dispatch-$1", "channel", "(.+)"\n)'


PROVIDERS: Final = (
    Alert(
        name="TocsinChannelDown",
        severity=Severity.PAGE,
        # A message that is tried as a probe leaves the gauge at 0 for a moment: so its average, not its value for some time.
        expression="max by (component) (avg_over_time(tocsin_paused[30s])) > 0.5",
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
