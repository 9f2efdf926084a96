"""The worker's components, in the order in which they open."""

from functools import partial

from tocsin.contracts.subscriptions import TOLD_OVER
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel
from tocsin.database import Database
from tocsin.kafka import (
    Cancellations,
    ConsumerGroup,
    CopyAge,
    ExactlyOnce,
    Fenced,
    GroupTimeouts,
    KafkaCluster,
    Replica,
    timeouts_for,
)
from tocsin.programs import CrashNote, crash_note_component
from tocsin.router.address_hashes import AddressHashes
from tocsin.router.refused_revisions import store_refusals
from tocsin.router.settings import RouterSettings
from tocsin.router.soft_bounces import SoftBounces
from tocsin.router.templates import Renderer
from tocsin.router.tokens import UnsubscribeTokens
from tocsin.router.worker.cancellations import CancellationRows
from tocsin.router.worker.dedupe import Claims
from tocsin.router.worker.directory import PublishedDirectory
from tocsin.router.worker.endpoint_health import EndpointsWatched
from tocsin.router.worker.feedback import FETCHING, Feedback
from tocsin.router.worker.load import RecipientLoader
from tocsin.router.worker.pipeline import Router
from tocsin.router.worker.quota import Quotas
from tocsin.router.worker.render import DeliveryRenderer
from tocsin.router.worker.subscriptions import StatusSubscriptions
from tocsin.router.worker.suppressed import StoredSuppressions
from tocsin.router.worker.sweeping import Sweeper
from tocsin.router.worker.table_sizes import TableSizes
from tocsin.router.worker.throttle import Throttles
from tocsin.runtime import (
    NO_FAILPOINTS,
    Clock,
    Component,
    Failpoints,
    FunctionComponent,
    Health,
    SystemClock,
)


def worker_components(
    settings: RouterSettings,
    *,
    database: Database,
    health: Health,
    clock: Clock | None = None,
    failpoints: Failpoints = NO_FAILPOINTS,
    timeouts: GroupTimeouts | None = None,
) -> list[Component]:
    """Everything the worker role runs, for each lane in LANES. `database` is opened before them, by the caller.

    Each lane's group joins only once the directory has been read to its end.
    """
    clock = clock or SystemClock()
    kafka, topics = settings.kafka, Topics(settings.kafka.topic_prefix)
    cluster = KafkaCluster(kafka)
    limits = {topic.name: topic.max_message_bytes for topic in topics.all()}
    renderer = Renderer()
    note = CrashNote(folder=settings.programs.crash_notes, service="router", clock=clock)
    compiler_note = CrashNote(folder=settings.programs.crash_notes, service="router-compiler", clock=clock)
    directory = PublishedDirectory(renderer=renderer, note=note)
    claims = Claims(database=database, window=settings.duplicate_window)
    cancellations = Cancellations(service="router")
    cancellation_rows = CancellationRows(database=database)
    recipients = RecipientLoader(database=database)
    suppressions = StoredSuppressions(database=database)
    soft_bounces = SoftBounces(database=database)
    throttles = Throttles(database=database)
    quotas = Quotas(database=database)
    rendering = DeliveryRenderer(
        renderer=renderer,
        public_url=settings.public_url,
        tokens=UnsubscribeTokens(settings.signing_keys),
        note=note,
        compiler_note=compiler_note,
    )
    hashes = AddressHashes(settings.address_keys)
    replica = Replica(settings=kafka, topic=topics.directory, apply=directory.apply, health=health)
    age = CopyAge(settings=kafka, copy=replica, clock=clock)
    components: list[Component] = [
        crash_note_component(note, compiler_note),
        FunctionComponent(
            name="refused revisions", open=partial(store_refusals, database.engine, note, compiler_note)
        ),
        replica,
        age,
        Replica(settings=kafka, topic=topics.cancels, apply=cancellations.apply, health=health),
        TableSizes(database=database),
        FunctionComponent(
            name="claim sweeper", run=Sweeper("claims", claims.delete_expired, clock=clock).run
        ),
        FunctionComponent(
            name="quota sweeper", run=Sweeper("quotas", quotas.delete_expired, clock=clock).run
        ),
        FunctionComponent(
            name="throttle sweeper", run=Sweeper("throttles", throttles.delete_expired, clock=clock).run
        ),
        FunctionComponent(
            name="cancellation sweeper",
            run=Sweeper("cancellations", cancellation_rows.delete_expired, clock=clock).run,
        ),
        FunctionComponent(
            name="soft bounce sweeper",
            run=Sweeper("soft_bounces", soft_bounces.delete_expired, clock=clock).run,
        ),
    ]
    for lane in settings.lanes:
        router = Router(
            lane=lane,
            topics=topics,
            directory=directory,
            claims=claims,
            cancellations=cancellations,
            cancellation_rows=cancellation_rows,
            throttles=throttles,
            quotas=quotas,
            recipients=recipients,
            suppressions=suppressions,
            renderer=rendering,
            clock=clock,
            hashes=hashes,
            default_tenant=settings.default_tenant,
            catch_up=age.catch_up,
            failpoints=failpoints,
        )
        deciding = ConsumerGroup(
            cluster=cluster,
            group=topics.group("router", lane),
            topics=(topics.events(lane), topics.intents(lane)),
            written=(topics.status(lane), *(topics.jobs(channel, lane) for channel in Channel)),
            ownership=Fenced(cluster=cluster, shards=settings.shards, limits=limits, failpoints=failpoints),
            work=ExactlyOnce(router.process, clock=clock).work,
            timeouts=timeouts or timeouts_for(lane),
            health=health,
            clock=clock,
            failpoints=failpoints,
        )
        feedback = Feedback(
            lane=lane,
            database=database,
            hashes=hashes,
            subscriptions=StatusSubscriptions(lane=lane, topics=topics, directory=directory),
            watched=EndpointsWatched(lane=lane, topics=topics, database=database),
            catch_up=age.catch_up,
        )
        learning = ConsumerGroup(
            cluster=cluster,
            group=topics.group("router-feedback", lane),
            topics=(topics.status(lane),),
            written=(topics.jobs(TOLD_OVER.channel, lane), topics.events(lane)),
            ownership=Fenced(
                cluster=cluster,
                shards=settings.shards,
                limits=limits,
                failpoints=failpoints,
            ),
            work=feedback.work,
            timeouts=timeouts or timeouts_for(lane),
            health=health,
            clock=clock,
            fetching=FETCHING,
        )
        # closes after `deciding`, whose last batch may hold dead letters
        telling = FunctionComponent(name=f"dead letter lines {lane}", close=router.close)
        components += [telling, deciding, learning]
    return components
