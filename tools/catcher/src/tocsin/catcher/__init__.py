"""Catches mails, SMS and pushes in development and shows them."""

from .mailbox import Mailbox
from .messages import Email, Push, Sms
from .service_account import write_account
from .settings import CatcherSettings

__all__ = ["CatcherSettings", "Email", "Mailbox", "Push", "Sms", "write_account"]
