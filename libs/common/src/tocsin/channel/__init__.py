"""What every dispatcher shares: the answers of a provider, its protocol, and the delivery loop."""

from tocsin.channel.answers import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.channel.provider import Provider

__all__ = ["Accepted", "Ambiguous", "Answer", "NotSent", "Provider", "Rejected", "Throttled"]
