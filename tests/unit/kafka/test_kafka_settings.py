import pytest
from pydantic import SecretStr, ValidationError

from tocsin.kafka import KafkaSettings


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)


def settings(**values) -> KafkaSettings:
    return KafkaSettings(**{"bootstrap_servers": "a:9092"} | values)


def test_servers_are_a_list_with_ports():
    options = settings(bootstrap_servers="a:9092, [::1]:9093").client_options()
    assert options == {"bootstrap_servers": ["a:9092", "[::1]:9093"], "security_protocol": "PLAINTEXT"}


def test_the_environment_names_everything(monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "b:1")
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    monkeypatch.setenv("KAFKA_SASL_MECHANISM", "PLAIN")
    monkeypatch.setenv("KAFKA_SASL_USERNAME", "ada")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "secret")
    monkeypatch.setenv("KAFKA_TOPIC_PREFIX", "dev.")
    settings = KafkaSettings()
    assert settings.topic_prefix == "dev."
    assert "secret" not in repr(settings)
    assert settings.client_options() | {"bootstrap_servers": []} == {
        "bootstrap_servers": [],
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "ada",
        "sasl_plain_password": "secret",
    }


def test_tls_has_a_context():
    assert settings(security_protocol="SSL").client_options()["ssl_context"].check_hostname


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"bootstrap_servers": "a"}, "host:port"),
        ({"bootstrap_servers": "a:0"}, "host:port"),
        ({"bootstrap_servers": "a:70000"}, "host:port"),
        ({"bootstrap_servers": "a:1,,b:2"}, "host:port"),
        ({"security_protocol": "SASL_SSL"}, "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD are both needed"),
        ({"security_protocol": "SASL_SSL", "sasl_username": "a"}, "both needed"),
        ({"sasl_username": "a"}, "mean nothing with KAFKA_SECURITY_PROTOCOL=PLAINTEXT"),
        ({"sasl_password": SecretStr("p")}, "mean nothing"),
        ({"ssl_cafile": "/etc/hostname"}, "KAFKA_SSL_CAFILE means nothing"),
        ({"security_protocol": "SSL", "ssl_cafile": "/nowhere"}, "which is not a file"),
        ({"security_protocol": "SSL", "ssl_keyfile": "/etc/hostname"}, "needs KAFKA_SSL_CERTFILE"),
        ({"topic_prefix": "a b"}, "KAFKA_TOPIC_PREFIX may hold"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(values, sentence):
    with pytest.raises(ValidationError) as caught:
        settings(**values)
    assert len(caught.value.errors()) == 1
    assert sentence in caught.value.errors()[0]["msg"]
