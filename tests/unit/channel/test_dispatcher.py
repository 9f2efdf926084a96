"""A dispatcher put together: what it serves, and in which order its parts live."""

from pathlib import Path

from pydantic_settings import SettingsConfigDict
from starlette.routing import Route

from tocsin.channel import Dispatcher, DispatcherSettings, InstanceConfig, ProviderKind
from tocsin.channel.sandbox import Sandbox
from tocsin.contracts.vocabulary import Channel
from tocsin.kafka import KafkaSettings

KINDS = {
    "sandbox": ProviderKind(
        config=InstanceConfig, create=lambda _config, _clock: Sandbox(channel=Channel.SMS)
    )
}


class SmsSettings(DispatcherSettings):
    kinds = KINDS
    model_config = SettingsConfigDict(populate_by_name=True, frozen=True)


def test_it_answers_probes_alone_and_its_parts_outlive_the_work(tmp_path: Path) -> None:
    file = tmp_path / "providers.toml"
    file.write_text('[[providers]]\nname = "first"\nkind = "sandbox"')
    settings = SmsSettings(kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"), providers_file=file)
    service = Dispatcher(channel=Channel.SMS, settings=settings, kinds=KINDS).service()
    assert service.api is None
    paths = {route.path for route in service.operations.routes if isinstance(route, Route)}
    assert paths == {"/livez", "/readyz", "/metrics", "/internal/providers"}
    assert [component.name for component in service.components] == [
        "providers",
        "replica tocsin.stops",
        "age of replica tocsin.stops",
        "replica tocsin.cancels",
        "age of replica tocsin.cancels",
        "watch over the copies",
        "publisher",
        "offsets",
        "group tocsin.dispatch-sms.critical",
        "group tocsin.dispatch-sms.transactional",
        "group tocsin.dispatch-sms.bulk",
    ]
