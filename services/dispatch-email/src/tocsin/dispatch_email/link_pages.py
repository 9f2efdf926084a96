"""What people see who press a button of a mail that leads nowhere, or follow a link that does not work."""

from html import escape

from tocsin.web.plain_page import plain_page


def question(label: str) -> str:
    """Asks once, for scanners open every link."""
    shown = escape(label)
    return plain_page(shown, "Press the button to send your answer.", button=shown)


def done(label: str) -> str:
    """Says that it was taken."""
    return plain_page(
        "Thank you", f"Your answer \u201c{escape(label)}\u201d was taken. You can close this page."
    )


def invalid() -> str:
    """Says what may have happened to the link."""
    return plain_page(
        "This link does not work",
        "It is incomplete, or too old. Open the link in a newer message, or copy it again as a whole.",
    )
