"""Catches mails, SMS and pushes in development and shows them."""

from .mailbox import Mailbox
from .messages import Email, Push, Sms, Webhook
from .service_account import write_account
from .settings import CatcherSettings

__all__ = ["CatcherSettings", "Email", "Mailbox", "Push", "Sms", "Webhook", "write_account"]
