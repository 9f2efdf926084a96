"""When certificates end, read from their files."""

import math
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from prometheus_client import REGISTRY

from tocsin.kafka import KafkaSettings
from tocsin.runtime.certificates import CertificateFile, ends_of, hide_certificate, show_certificates

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)


def certificate(end: datetime, *, name: str = "kafka.example") -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("year", [2021, 2049, 2050, 2123])
def test_the_end_is_the_one_that_was_signed(year: int) -> None:
    """From 2050 on it is written in another form."""
    end = datetime(year, 5, 17, 3, 4, 5, tzinfo=UTC)
    assert list(ends_of(certificate(end, name="n" * 60))) == [end]


def test_of_several_the_first_that_ends_counts(tmp_path: Path) -> None:
    path, soon = tmp_path / "chain.pem", datetime.now(UTC) + timedelta(days=3)
    path.write_bytes(b"a line before\n" + certificate(soon + timedelta(days=900)) + certificate(soon))
    assert CertificateFile(path).seconds_left() == pytest.approx(3 * 86_400, abs=120)


def test_a_file_that_was_renewed_is_read_again(tmp_path: Path) -> None:
    path, now = tmp_path / "own.pem", datetime.now(UTC)
    path.write_bytes(certificate(now - timedelta(days=1)))
    file = CertificateFile(path)
    assert file.seconds_left() < 0
    path.write_bytes(certificate(now + timedelta(days=30)))
    os.utime(path, ns=(1, 1))
    assert file.seconds_left() > 29 * 86_400


EMPTY = b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"


@pytest.mark.parametrize("content", [b"", b"no certificate", b"cut off", EMPTY, None])
def test_what_cannot_be_read_is_no_number(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "own.pem"
    if content == b"cut off":
        content = certificate(BEGIN).replace(b"\n", b"", 3)[:300] + b"-----END CERTIFICATE-----"
    if content is not None:
        path.write_bytes(content)
    assert math.isnan(CertificateFile(path).seconds_left())


def test_settings_show_what_they_name(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(certificate(datetime.fromtimestamp(int(time()) + 1_000, UTC)))
    settings = KafkaSettings(bootstrap_servers="b:9092", security_protocol="SSL", ssl_cafile=path)
    show_certificates({"kafka": settings, "other": object()})
    labels = {"certificate": "kafka_authorities"}
    assert (REGISTRY.get_sample_value("tocsin_certificate_seconds_left", labels) or 0) > 900
    hide_certificate("kafka_authorities")
    hide_certificate("kafka_authorities")
    assert REGISTRY.get_sample_value("tocsin_certificate_seconds_left", labels) is None


def test_openssl_agrees(tmp_path: Path) -> None:
    path = tmp_path / "own.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        os.devnull,
        "-days",
        "40",
    ]
    subprocess.run([*command, "-subj", "/CN=mail", "-out", path], check=True, capture_output=True)
    told = subprocess.run(["openssl", "x509", "-enddate", "-noout", "-in", path], check=True, capture_output=True, text=True)  # fmt: skip
    end = datetime.strptime(told.stdout.strip(), "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    assert list(ends_of(path.read_bytes())) == [end]
