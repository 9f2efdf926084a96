"""What an SMTP instance can be told, and what it refuses to be told."""

from pathlib import Path

import pytest

from tocsin.channel import ProvidersInvalid, check_providers
from tocsin.dispatch_email.smtp import SMTP


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ('username = "u"', "`username` and `password_file` belong together."),
        ('username = "u"\npassword_file = "secret"\ntls = "none"', "would send the password in the clear."),
        ('tls = "maybe"', "`tls` is not valid"),
        ("port = 0", "`port` is not valid"),
        ('ca_file = "absent.pem"', "holds no certificates that can be read."),
        ('ca_file = "secret"', "secret holds no certificates that can be read."),
        ('envelope_sender = "nobody"', "`envelope_sender`: Not a mail address."),
        ('helo = "two words"', "`helo` is not valid"),
        ("verp = true", "`verp` needs an `envelope_sender` with at most 31 characters before the @."),
        (
            f'verp = true\nenvelope_sender = "{"b" * 32}@example.com"',
            "`verp` needs an `envelope_sender` with at most 31 characters",
        ),
    ],
)
def test_faults(tmp_path: Path, lines: str, sentence: str) -> None:
    (tmp_path / "secret").write_text("s3cret")
    path = tmp_path / "providers.toml"
    path.write_text(f'[[providers]]\nname = "a"\nkind = "smtp"\nhost = "mail.example.com"\n{lines}\n')
    with pytest.raises(ProvidersInvalid) as invalid:
        check_providers(path, {"smtp": SMTP})
    assert sentence in str(invalid.value)
    assert len(invalid.value.faults) == 1
    assert "s3cret" not in str(invalid.value)


def test_a_whole_configuration(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    path = tmp_path / "providers.toml"
    path.write_text(
        """
        [[providers]]
        name = "primary"
        kind = "smtp"
        host = "smtp.example.com"
        username = "tocsin"
        password_file = "secret"
        envelope_sender = "bounces@example.com"
        helo = "mail.example.com"

        [[providers]]
        name = "local"
        kind = "smtp"
        host = "localhost"
        port = 2525
        tls = "none"
        """
    )
    check_providers(path, {"smtp": SMTP})
