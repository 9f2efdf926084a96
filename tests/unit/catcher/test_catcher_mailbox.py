"""Bounded, and never held up by those who follow."""

from datetime import UTC, datetime

from tocsin.catcher.mail import read_mail
from tocsin.catcher.mailbox import Arrived, Cleared, Ended, Mailbox
from tocsin.catcher.messages import Email


def letter(number: int, *, size: int = 10) -> Email:
    source = f"From: a@b.example\r\nSubject: {number}\r\n\r\n".encode() + b"x" * size
    return read_mail(
        source,
        envelope_from="a@b.example",
        to="ada@example.com",
        received_at=datetime.now(UTC),
        provider="smtp",
    )


def subjects(mailbox: Mailbox) -> list[str]:
    return [mail.subject for mail in mailbox.find() if isinstance(mail, Email)]


def test_the_oldest_are_forgotten_by_number() -> None:
    mailbox = Mailbox(keep=2)
    for number in range(4):
        mailbox.add(letter(number))
    assert subjects(mailbox) == ["3", "2"]


def test_the_oldest_are_forgotten_by_weight_but_never_the_newest() -> None:
    mailbox = Mailbox(keep=100, keep_bytes=10_000)
    for number in range(10):
        mailbox.add(letter(number, size=1000))
    assert subjects(mailbox) == ["9", "8", "7"]
    mailbox.add(letter(10, size=50_000))
    assert subjects(mailbox) == ["10"]


def test_a_follower_hears_everything_in_order() -> None:
    mailbox = Mailbox(keep=10)
    following = mailbox.follow()
    mail = letter(1)
    mailbox.add(mail)
    mailbox.clear()
    mailbox.close()
    assert [following.get_nowait() for _ in range(3)] == [Arrived(mail), Cleared(), Ended()]


def test_who_comes_after_the_end_is_told_so() -> None:
    mailbox = Mailbox(keep=10)
    mailbox.close()
    assert mailbox.follow().get_nowait() == Ended()


def test_a_follower_that_does_not_listen_is_let_go() -> None:
    mailbox = Mailbox(keep=10)
    stuck, lively = mailbox.follow(), mailbox.follow()
    mail = letter(1)
    for _ in range(1500):
        mailbox.add(mail)
        lively.get_nowait()
    heard = [stuck.get_nowait() for _ in range(stuck.qsize())]
    assert len(heard) == 1000
    assert heard[-1] == Ended()
