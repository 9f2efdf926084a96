"""One recipient's message: from its notification id to its timeline, its log lines and its trace."""

from tocsin.specifications.dashboards.panels import Dashboard, Entry, Kind, Panel, Query, Row, Unit, lines
from tocsin.specifications.dashboards.queries import LANES, median_and_99th

_HOW = """\
1. Somebody asks where their message is. Find its notification id: in the answer that the producer got, by the event's id (`tocsin timeline --event …`), or at a point of the picture below.
2. Its timeline says what was decided, which provider was asked, and what came of it: `tocsin timeline $notification`, or `GET $entry/v1/timelines/$notification`.
3. Below stand the log lines and the trace of that one message.
"""

PATH = Dashboard(
    name="path",
    title="One message",
    question="What happened to this one message, and is it alone?",
    entries=(
        Entry(name="notification", title="Notification id"),
        Entry(name="entry", title="Address of the API"),
    ),
    rows=(
        Row(
            title="Is it alone?",
            panels=(
                Panel(title="How to look", question="Where does one begin?", kind=Kind.TEXT, text=_HOW),
                lines(
                    "Slow messages",
                    "Which messages took longest? Each point is one, with its notification id and its trace.",
                    Unit.SECONDS,
                    *median_and_99th("tocsin_hand_off_seconds", by="lane", where=LANES),
                    width=16,
                    exemplars=True,
                ),
            ),
        ),
        Row(
            title="This message",
            panels=(
                Panel(
                    title="Log lines",
                    question="Which processes spoke of it?",
                    kind=Kind.LOGS,
                    width=12,
                    queries=(Query(expression='{service_name=~".+"} |= "$notification"', legend=""),),
                ),
                Panel(
                    title="Trace",
                    question="Which step took how long?",
                    kind=Kind.TRACE,
                    width=12,
                    queries=(Query(expression='{ span.tocsin.notification_id = "$notification" }', legend=""),),
                ),
            ),
        ),
    ),
)  # fmt: skip
