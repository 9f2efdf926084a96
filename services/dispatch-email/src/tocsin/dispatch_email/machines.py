"""Who follows the links of mails and loads their pictures although no person does: scanners, image proxies, previews.

What they call themselves is from public sources, for few of them document it. Microsoft's Safe Links and Proofpoint mostly call themselves
browsers: times give them away, not names (`engagements`). Somebody can be missed, and a person be taken for a machine.

* Apple Mail Privacy Protection: `Mozilla/5.0` and nothing more; Gmail: `GoogleImageProxy` (Mailgun's blog, "Privacy, automatic
  engagements, and Mailgun's bot detection").
* Yahoo: `YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html` (the page that it names).
* `Barracuda Sentinel (EE)`, `python-requests` (Braze's documentation, "Bot filtering"; Suped's "How can I identify bot user agents").
* `proofpoint`, `mimecast`, `CiscoSecureEmail`, `SafeLinks` ("Bot clicks from security scanners: a field guide").
* `BingPreview`, `SkypeUriPreview`, `Slackbot-LinkExpanding` and others that call themselves a bot, crawler, spider, scanner or preview.
"""

import re
from collections.abc import Mapping
from typing import Final

_NAMES: Final = re.compile(
    r"googleimageproxy|ggpht\.com|yahoomailproxy|barracuda|proofpoint|mimecast|ciscosecureemail|ironport|safelinks|"
    r"(?<!cu)bot\b|bot-|crawler|spider|scanner|preview|headless|facebookexternalhit|whatsapp|"
    r"python|curl/|wget|libwww|okhttp|go-http-client|java/|apache-httpclient"
)
_NAMES_NOTHING: Final = "mozilla/5.0"
_BROWSER: Final = ("mozilla/", "opera/")
_PURPOSES: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
"""Headers by which browsers say that they load ahead of a person (`Sec-Purpose`: the Fetch standard; the others are older)."""
_AHEAD: Final = ("prefetch", "prerender", "preview")


def is_machine(method: str, headers: Mapping[str, str], *, follows: bool) -> bool:
    """Whether a request comes from no person, as far as it says itself. `follows`: it follows a link, which people do with a browser;
    pictures are loaded by mail programs, too. Names of `headers` are in lower case."""
    if method == "HEAD":
        return True
    agent = headers.get("user-agent", "").strip().lower()
    if agent in {"", _NAMES_NOTHING} or _NAMES.search(agent):
        return True
    if follows and not agent.startswith(_BROWSER):
        return True
    return any(word in headers.get(name, "").lower() for name in _PURPOSES for word in _AHEAD)
