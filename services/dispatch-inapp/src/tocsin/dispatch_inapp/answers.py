"""What an error of PostgreSQL or Kafka means for a delivery. Classes of SQLSTATE: PostgreSQL's documentation, "PostgreSQL Error Codes"."""

from typing import Final

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tocsin.channel import Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_inapp.items_table import NotConnected
from tocsin.kafka import KafkaFault

_BUSY: Final = ("53", "40", "55")
"""Too few resources, a transaction that lost against another, a lock that is not to be had."""
_LOGIN: Final = ("28", "42501")


def answer_to(error: Exception) -> Answer:
    """The answer to a delivery whose batch ended with this error. An error of which nothing is known here is raised again."""
    if isinstance(error, NotConnected):
        return _not_connected(error)
    if isinstance(error, TimeoutError):
        return Ambiguous(detail="PostgreSQL or Kafka did not answer in time.")
    if isinstance(error, KafkaFault):
        return Ambiguous(reason=Reason.PROVIDER_ERROR, detail="Kafka did not take the status `delivered`.")
    if isinstance(error, asyncpg.PostgresConnectionError | asyncpg.InterfaceError | OSError):
        return Ambiguous(detail="The connection to PostgreSQL was lost.")
    if isinstance(error, asyncpg.InternalClientError):
        return Ambiguous(detail="PostgreSQL answered what is no answer.")
    if isinstance(error, asyncpg.PostgresError):
        return _refused(error.sqlstate or "")
    raise error


def _refused(code: str) -> Answer:
    """PostgreSQL has ended the transaction: nothing of it is stored."""
    if code.startswith("23"):
        return Rejected(
            reason=Reason.RECIPIENT_REFUSED, code=code, detail="A constraint of the table refuses it."
        )
    if code.startswith("22"):
        return Rejected(
            reason=Reason.CONTENT_REFUSED, code=code, detail="PostgreSQL cannot store these characters."
        )
    if code.startswith(_BUSY):
        return Throttled(code=code, detail="PostgreSQL is busy.")
    if code.startswith("57P"):  # it is shut down, and may have been so just after the commit
        return Ambiguous(code=code, detail="PostgreSQL was shut down.")
    if code.startswith(_LOGIN):
        return NotSent(
            reason=Reason.CREDENTIALS_REFUSED, code=code, detail="PostgreSQL refuses our user what it needs."
        )
    return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail="PostgreSQL refused the statement.")


def _not_connected(error: BaseException) -> Answer:
    cause: BaseException | None = error.__cause__
    while cause is not None:
        if isinstance(cause, PoolTimeout):
            return Throttled(code="pool_timeout", detail="All connections to PostgreSQL are at work.")
        if isinstance(cause, asyncpg.PostgresError) and cause.sqlstate:
            if cause.sqlstate.startswith(_LOGIN):
                detail = "PostgreSQL refuses the login."
                return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=cause.sqlstate, detail=detail)
            if cause.sqlstate.startswith(_BUSY):
                return Throttled(code=cause.sqlstate, detail="PostgreSQL takes no more connections.")
        cause = getattr(cause, "orig", None) or cause.__cause__
    return NotSent(reason=Reason.UNREACHABLE, detail="PostgreSQL cannot be reached.")
