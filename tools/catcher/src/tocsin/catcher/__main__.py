"""`python -m tocsin.catcher`: run the catcher, or write what its FCM and APNs endpoints trust."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from .apns_key import write_key
from .app import run
from .receipts.keys import write_receipt_keys
from .service_account import write_account
from .settings import load_settings, settings_table


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 after a wanted stop, 1 when a port is taken, 2 when a setting makes no sense."""
    given = _parser().parse_args(arguments)
    if given.command == "fcm-account":
        write_account(given.out, project=given.project, token_uri=given.token_uri)
        return 0
    if given.command == "apns-key":
        write_key(given.out)
        return 0
    if given.command == "receipt-keys":
        write_receipt_keys(given.out)
        return 0
    settings = load_settings()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd writes addresses at lower levels
    logging.getLogger("hpack").setLevel(logging.WARNING)  # headers hold tokens
    logging.getLogger("httpx").setLevel(logging.WARNING)  # one line a look-up says nothing
    try:
        asyncio.run(run(settings))
    except OSError as error:
        print(f"The catcher cannot listen: {error.strerror}.", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tocsin.catcher",
        description="Catches mails, SMS and pushes in development and shows them on one live page.",
        epilog=f"Settings (environment):\n{settings_table()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command")
    account = commands.add_parser("fcm-account", help="write a service account file for development")
    account.add_argument(
        "--out", type=Path, required=True, help="the file to write (readable by its owner only)"
    )
    account.add_argument(
        "--token-uri", required=True, help="where tokens are asked for: the catcher's URL + /token"
    )
    account.add_argument("--project", required=True, help="the FCM project id")
    key = commands.add_parser("apns-key", help="write a signing key for APNs, for development")
    key.add_argument("--out", type=Path, required=True, help="the file to write (readable by its owner only)")
    keys = commands.add_parser("receipt-keys", help="write the keys that prove receipts, for development")
    keys.add_argument(
        "--out", type=Path, required=True, help="the folder to write them to (readable by its owner only)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
