"""What a mail request and its response tell when they are printed, as in a traceback: nothing that is secret."""

from tocsin.dispatch_email.http_provider import MailRequest, MailResponse
from tocsin.testing.jobs import MARKERS

SECRET = "Bearer s3cret"


def test_printing_them_tells_no_secret_and_nothing_of_the_mail() -> None:
    text = " ".join(MARKERS)
    request = MailRequest(
        url="https://api.example/mail", headers={"Authorization": SECRET, "X": text}, body=text.encode()
    )
    response = MailResponse(status=400, headers={"X-Echo": text}, body=text.encode(), retry_after=None)
    for shown in (repr(request), str(request), repr(response), str(response), f"{[request, response]}"):
        assert [marker for marker in (*MARKERS, SECRET) if marker in shown] == []
    assert "https://api.example/mail" in repr(request)
    assert "status=400" in repr(response)
