"""How to reach Kafka: the settings every service shares (environment ``KAFKA_…``)."""

import re
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from tocsin.runtime.setting_facts import About
from tocsin.runtime.settings import Advice, Settings

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]]+):([0-9]{1,5})")


class KafkaSettings(Settings):
    """Where the brokers are and how to prove who we are. Nonsense is refused with one sentence per fault."""

    model_config = SettingsConfigDict(env_prefix="KAFKA_", extra="ignore", frozen=True)

    bootstrap_servers: str = Field(description="Brokers to begin with, as host:port, separated by commas")
    security_protocol: Annotated[
        SecurityProtocol,
        About(danger="`PLAINTEXT` and `SASL_PLAINTEXT`: whoever is on the way reads every message"),
    ] = Field(default="PLAINTEXT", description="How connections are protected")
    sasl_mechanism: SaslMechanism = Field(
        default="SCRAM-SHA-512", description="How a SASL user proves itself"
    )
    sasl_username: Annotated[str | None, About(from_file=True, example="router")] = Field(
        default=None, description="The SASL user"
    )
    sasl_password: Annotated[SecretStr | None, About(example="its-password")] = Field(
        default=None, description="The SASL user's password"
    )
    ssl_cafile: Path | None = Field(
        default=None, description="Certificates to trust (PEM); the system's if absent"
    )
    ssl_certfile: Path | None = Field(default=None, description="Our own certificate (PEM), for mutual TLS")
    ssl_keyfile: Path | None = Field(
        default=None, description="The key of our own certificate (PEM), without password"
    )
    topic_prefix: Annotated[
        str,
        About(
            danger="Another prefix is another installation: nothing of the old topics is read. The same in all processes",
            change="never by itself: [a move](more-partitions.md)",
        ),
    ] = Field(default="tocsin.", description="What every topic's name begins with")

    @field_validator("bootstrap_servers")
    @classmethod
    def _addresses(cls, value: str) -> str:
        servers = [server.strip() for server in value.split(",")]
        for server in servers:
            match = _ADDRESS.fullmatch(server)
            if match is None or not 0 < int(match.group(2)) < 65_536:
                msg = f"KAFKA_BOOTSTRAP_SERVERS must be host:port, separated by commas, not {server!r}."
                raise ValueError(msg)
        return ",".join(servers)

    @field_validator("topic_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]{0,100}", value):
            msg = "KAFKA_TOPIC_PREFIX may hold letters, digits, '.', '_' and '-' only, at most 100 of them."
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._check_sasl()
        self._check_tls()
        return self

    def _check_sasl(self) -> None:
        complete = bool(self.sasl_username) and self.sasl_password is not None
        given = self.sasl_username is not None or self.sasl_password is not None
        if self.uses_sasl and not complete:
            msg = (
                "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD are both needed "
                f"with KAFKA_SECURITY_PROTOCOL={self.security_protocol}."
            )
            raise ValueError(msg)
        if given and not self.uses_sasl:
            msg = (
                "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD mean nothing "
                f"with KAFKA_SECURITY_PROTOCOL={self.security_protocol}; use SASL_SSL or SASL_PLAINTEXT."
            )
            raise ValueError(msg)

    def _check_tls(self) -> None:
        files = {
            "KAFKA_SSL_CAFILE": self.ssl_cafile,
            "KAFKA_SSL_CERTFILE": self.ssl_certfile,
            "KAFKA_SSL_KEYFILE": self.ssl_keyfile,
        }
        for name, path in files.items():
            if path is None:
                continue
            if not self.uses_tls:
                msg = (
                    f"{name} means nothing with KAFKA_SECURITY_PROTOCOL={self.security_protocol}; "
                    "use SSL or SASL_SSL."
                )
                raise ValueError(msg)
            if not path.is_file():
                msg = f"{name} names {path}, which is not a file."
                raise ValueError(msg)
        if self.ssl_keyfile is not None and self.ssl_certfile is None:
            msg = "KAFKA_SSL_KEYFILE needs KAFKA_SSL_CERTFILE."
            raise ValueError(msg)

    def advice(self) -> Iterable[Advice]:
        """Passwords that can be read on the way, and a prefix that runs into the names."""
        if self.sasl_mechanism == "PLAIN" and self.uses_sasl and not self.uses_tls:
            yield Advice(
                variable="KAFKA_SASL_MECHANISM",
                harm="is PLAIN without TLS: the password crosses the network for anyone to read",
                remedy="set KAFKA_SECURITY_PROTOCOL=SASL_SSL, or a SCRAM mechanism",
            )
        if self.topic_prefix and self.topic_prefix[-1].isalnum():
            yield Advice(
                variable="KAFKA_TOPIC_PREFIX",
                harm=f"runs into the names: a topic is called {self.topic_prefix}events.critical",
                remedy="end it with a dot",
            )

    @property
    def uses_sasl(self) -> bool:
        """Whether a user name and password are sent."""
        return self.security_protocol.startswith("SASL_")

    @property
    def uses_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.security_protocol.endswith("SSL")

    @property
    def certificates(self) -> dict[str, Path]:
        """The files whose end /metrics shows, by what they are for."""
        files = {"kafka": self.ssl_certfile, "kafka_authorities": self.ssl_cafile}
        return {purpose: path for purpose, path in files.items() if path is not None}

    def client_options(self) -> dict[str, Any]:
        """The arguments every aiokafka client takes. A certificate that cannot be read raises OSError."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "security_protocol": self.security_protocol,
        }
        if self.uses_tls:
            options["ssl_context"] = self._ssl_context()
        if self.uses_sasl and self.sasl_password is not None:
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password.get_secret_value()
        return options

    def _ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ssl_cafile)
        if self.ssl_certfile is not None:
            context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
        return context
