"""The worker role: events in, decisions out, exactly once.

`components` is what runs. `pipeline` is the way of one batch; read its steps in this order, each takes what the last one gave:

    parse           a record becomes an event's plan or an intent, or the reason why not (who is meant: `recipients`)
    dedupe          an event that came before becomes a duplicate; one that may be decided at once becomes its intent
    load            what is stored of the recipients, and what the directory says, becomes the decision's input
    policy.decide   a Verdict, with Deliver or Withhold for each channel: pure, synchronous, without content
    render          what is delivered gets its words
    write           jobs and the decision (of what is no intent: `write_events`, and `fan_out` from events to intents)

No step imports a later one (`.importlinter`). `intents` makes an intent of an event's plan, for whichever step needs one. `batch`
holds what all steps know, `budgets` how much is done at once, `directory` what the router publishes. `feedback` is a consumer of
its own: what deliveries teach the directory.
"""

from tocsin.router.worker.components import worker_components
from tocsin.router.worker.directory import PublishedDirectory

__all__ = ["PublishedDirectory", "worker_components"]
