"""Providers refuse, hang, break off and answer nonsense."""

import asyncio
import time
from collections import Counter

from ground import PLACES
from scenario import PATIENCE, Run, scenario
from scenarios.deaths import DISPATCHERS, RATE
from sinks import behaviour as far
from sinks.behaviour import Behaviour, Kind, Step
from tocsin.contracts.vocabulary import Channel
from tocsin.testing.until import until

_TROUBLE = 10.0  # seconds
_LONG = 20.0
_HTTP = (Channel.SMS, Channel.PUSH)


_UNKNOWN = "unknown(no_answer)"
_UNCLEAR = "unknown(provider_error)"
_REFUSED = "failed(recipient_refused)"


async def _trouble(
    run: Run,
    behaviour: Behaviour,
    *channels: Channel,
    seconds: float = _TROUBLE,
    end: str | None = None,
    restart: bool = False,
) -> None:
    """So long, on these channels, under load; `end` is the only way but `sent` in which a message may end; without it, all are sent.
    With `restart` the far ends close what is open when the trouble begins.

    What a far end took and did not answer for may come once more.
    """
    sinks = run.ground.sinks
    async with run.load.flowing(RATE):
        await asyncio.sleep(2)
        run.fault()
        before = (await sinks.count()).calls
        for channel in channels:
            await sinks.behave(behaviour, channel=channel)
            if restart:
                await sinks.restart(0.0, channel=channel)
        await asyncio.sleep(seconds)
        for channel in channels:
            await sinks.behave(far.GOOD, channel=channel)
        troubled = (await sinks.count()).calls - before
        run.expect(troubled > 0, "No call met the trouble.")
        if behaviour.kind in {Kind.RESET_TAKEN, Kind.DRIP}:
            run.duplicates += troubled
        await asyncio.sleep(5)
    ends = await _ends_otherwise(run)
    run.notes.append(f"{troubled} calls met it; ends otherwise than sent: {dict(ends) or 'none'}")
    run.expect(ends.keys() <= {end}, f"Only {end or 'sent'} was to be expected.")
    allowed = {channel.value for channel in channels}
    harmed = {
        message.way.channel for message in run.sent if run.endings.final[message.notification] != {"sent"}
    }
    run.expect(harmed <= allowed, f"Messages of {', '.join(harmed - allowed)} were not sent.")


async def _ends_otherwise(run: Run) -> Counter[str]:
    """Once every message has ended."""
    wanted = {message.notification for message in run.sent}
    await until(lambda: run.ended >= wanted, seconds=PATIENCE, every=0.5)
    ends = Counter(end for notification in wanted for end in run.endings.final[notification])
    del ends["sent"]
    return ends


@scenario(two=DISPATCHERS, ends=True)
async def mail_server_says_421(run: Run) -> None:
    """SMTP 421 to each mail, and the connection is closed."""
    await _trouble(run, far.refuse(421, step=Step.MAIL), Channel.EMAIL)


@scenario(two=DISPATCHERS, ends=True)
async def mail_server_says_450(run: Run) -> None:
    """SMTP 450 at every recipient."""
    await _trouble(run, far.refuse(450, step=Step.RCPT), Channel.EMAIL)


@scenario(two=DISPATCHERS, ends=True)
async def mail_server_says_451(run: Run) -> None:
    """SMTP 451 after every message."""
    await _trouble(run, far.refuse(451), Channel.EMAIL)


@scenario(two=DISPATCHERS, ends=True)
async def mail_server_says_550(run: Run) -> None:
    """SMTP 550 at every recipient: these mails fail for good, and nothing else does."""
    await _trouble(run, far.refuse(550, step=Step.RCPT), Channel.EMAIL, end=_REFUSED)


@scenario(two=DISPATCHERS, ends=True)
async def mail_server_resets_after_the_dot(run: Run) -> None:
    """The connection is reset after the final dot, and the mail was taken: at most one more for each reset."""
    await _trouble(run, far.RESET_TAKEN, Channel.EMAIL, end=_UNKNOWN)


@scenario(two=DISPATCHERS, ends=True)
async def mail_server_loses_mail_after_the_dot(run: Run) -> None:
    """The connection is reset after the final dot, and the mail was not taken: none is lost without an ending that says so."""
    await _trouble(run, far.RESET_LOST, Channel.EMAIL, end=_UNKNOWN)


@scenario(two=DISPATCHERS, ends=True)
async def mail_server_is_silent(run: Run) -> None:
    """The mail server reads and never answers, for 20 s."""
    await _trouble(run, far.MUTE, Channel.EMAIL, seconds=_LONG, end=_UNKNOWN)


@scenario(two=DISPATCHERS, ends=True)
async def mail_server_drips(run: Run) -> None:
    """The mail server answers a byte each half second, for 20 s."""
    await _trouble(run, far.DRIP, Channel.EMAIL, seconds=_LONG, end=_UNKNOWN)


@scenario(two=DISPATCHERS, ends=True)
async def mail_server_closes_new_connections(run: Run) -> None:
    """The mail server restarts, and closes every new connection for 10 s."""
    await _trouble(run, far.CLOSE_NEW, Channel.EMAIL, restart=True)


@scenario(two=("dispatch-email",), ends=True, own_ground=True, nightly=True)
async def mail_servers_tls_fails(run: Run) -> None:
    """Mail goes over TLS, and every handshake fails for 10 s."""
    ground = run.ground
    ground.sinks.write_providers(
        ground.folder / "providers", tls=True, max_in_flight=PLACES, mails_per_connection=5
    )
    for instance in ground.of("dispatch-email"):
        await ground.restart(instance)
    before = len(run.load.sent)
    async with run.load.flowing(RATE, channels=[Channel.EMAIL]):
        await asyncio.sleep(2)
        run.fault()
        await ground.sinks.behave(far.TLS_FAILURE, channel=Channel.EMAIL)
        await asyncio.sleep(_TROUBLE)
        await ground.sinks.behave(far.GOOD, channel=Channel.EMAIL)
        await asyncio.sleep(5)
    run.expect(len(run.load.sent) > before, "Nothing was sent over TLS.")


@scenario(two=DISPATCHERS)
async def mail_server_restarts_under_kept_connections(run: Run) -> None:
    """The mail server closes all connections and its port for half a second, five times: nothing fails."""
    await _restarts(run, Channel.EMAIL)


@scenario(two=DISPATCHERS, ends=True)
async def http_providers_restart_under_kept_connections(run: Run) -> None:
    """Twilio and FCM close all connections and their ports for half a second, five times."""
    await _restarts(run, *_HTTP)


async def _restarts(run: Run, *channels: Channel) -> None:
    async with run.load.flowing(RATE):
        for _ in range(5):
            await asyncio.sleep(2)
            run.fault()
            for channel in channels:
                run.duplicates += PLACES * 2  # what each of the two had under way, taken or not
                await run.ground.sinks.restart(0.5, channel=channel)
        await asyncio.sleep(3)


@scenario(two=DISPATCHERS, ends=True)
async def http_providers_answer_500(run: Run) -> None:
    """Twilio and FCM answer 500 to everything: nobody knows whether they have it."""
    await _trouble(run, far.refuse(500), *_HTTP, end=_UNCLEAR)


@scenario(two=DISPATCHERS, ends=True)
async def http_providers_answer_503(run: Run) -> None:
    """Twilio and FCM answer 503 to everything."""
    await _trouble(run, far.refuse(503), *_HTTP)


@scenario(two=DISPATCHERS, ends=True)
async def http_providers_ask_for_a_second(run: Run) -> None:
    """Twilio and FCM answer 429 with `Retry-After: 1` to everything."""
    await _trouble(run, far.refuse(429, retry_after=1), *_HTTP)


@scenario(two=DISPATCHERS, ends=True)
async def http_providers_ask_for_a_minute(run: Run) -> None:
    """Twilio and FCM answer 429 with `Retry-After: 60` to everything."""
    await _trouble(run, far.refuse(429, retry_after=60), *_HTTP)


@scenario(two=DISPATCHERS, ends=True)
async def http_providers_answer_nonsense(run: Run) -> None:
    """Twilio and FCM answer 200 with a page that is no JSON: that is no acceptance."""
    await _trouble(run, far.NONSENSE, *_HTTP, end=_UNCLEAR)


@scenario(two=DISPATCHERS, ends=True)
async def http_providers_reset(run: Run) -> None:
    """Twilio and FCM take every request and reset the connection: at most one more for each reset."""
    await _trouble(run, far.RESET_TAKEN, *_HTTP, end=_UNKNOWN)


@scenario(two=DISPATCHERS, ends=True)
async def http_providers_are_silent(run: Run) -> None:
    """Twilio and FCM never answer, for 20 s."""
    await _trouble(run, far.MUTE, *_HTTP, seconds=_LONG, end=_UNKNOWN)


@scenario(two=("dispatch-email",), ends=True)
async def dispatcher_is_stopped_while_the_mail_server_is_silent(run: Run) -> None:
    """SIGTERM to both dispatchers of mail, one after the other, while the mail server never answers: exit code 0."""
    ground = run.ground
    async with run.load.flowing(RATE):
        await asyncio.sleep(2)
        await ground.sinks.behave(far.MUTE, channel=Channel.EMAIL)
        await asyncio.sleep(3)
        for instance in ground.of("dispatch-email"):
            run.fault()
            begun = time.monotonic()
            code = await ground.stop(instance)
            run.notes.append(f"{instance.name} ended within {time.monotonic() - begun:.1f} s")
            run.expect(code == 0, f"{instance.name} ended with exit code {code} when it was told to stop.")
            ground.start(instance)
            await ground.ready(instance)
        await ground.sinks.behave(far.GOOD, channel=Channel.EMAIL)
        await asyncio.sleep(5)
