"""Alerts on what ends on a day that is known before: certificates and API keys."""

from typing import Final

from tocsin.specifications.alerts.alert import Alert, Severity

_LEFT: Final = "tocsin_certificate_seconds_left"
_OURS: Final = f'{_LEFT}{{certificate!~".*_authorities|provider_.*"}}'
"""Without the files of authorities to trust: of a system's whole bundle the one that ends first may sign nothing that we use."""
_DAY: Final = 86_400

EXPIRY: Final = (
    Alert(
        name="TocsinCertificateEnds",
        severity=Severity.PAGE,
        expression=f"min by (certificate) ({_OURS}) < {2 * _DAY}",
        wait="5m",
        summary="Our certificate for {{ $labels.certificate }} ends within two days",
        users="Nothing before it ends. Then whatever connects with it stands still.",
    ),
    Alert(
        name="TocsinCertificateEndsSoon",
        severity=Severity.TICKET,
        # A file that cannot be read has no number of seconds: NaN, which alone differs from itself.
        expression=(
            f"min by (certificate) ({_LEFT}) < {14 * _DAY}\n"
            f"or\nmax by (certificate) ({_LEFT} != bool {_LEFT}) == 1"
        ),
        wait="15m",
        summary="The certificate for {{ $labels.certificate }} ends within a fortnight, or cannot be read",
        users="Nothing yet.",
    ),
    Alert(
        name="TocsinApiKeysEnd",
        severity=Severity.TICKET,
        expression='max(tocsin_api_keys_expiring{within="7d"}) > 0',
        wait="15m",
        summary="{{ $value }} API keys end within a week, and none was made to replace them",
        users="Nothing yet. An application whose key has ended can send nothing.",
        labels={"component": "router"},
    ),
)
