"""An account at Amazon Web Services: what every kind of provider there is told, and which errors each of its APIs may give.

They stand in https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html and, with the names that APIs of JSON give them, in
https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html.
"""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr, model_validator

from tocsin.channel.aws_signature import AwsCredentials
from tocsin.channel.provider_config import SecretFile, SenderConfig, one_word

_KEY_ID: Final = r"^[A-Z0-9]{16,128}$"


def _is_key_id(text: SecretStr) -> SecretStr:
    if not re.match(_KEY_ID, text.get_secret_value()):
        raise ValueError(
            "the file must hold the id of an access key: capitals and digits, as in AKIAIOSFODNN7EXAMPLE"
        )
    return text


class AwsConfig(SenderConfig):
    """One account in one region. A temporary key is three values, and all three stand in files: whoever renews it writes them anew."""

    region: str = Field(pattern=r"^[a-z]{2,}(-[a-z]+)+-\d{1,2}$")
    """Such as `eu-west-1`."""
    access_key_id: str | None = Field(default=None, pattern=_KEY_ID)
    """Of a user, or a role, that may send."""
    access_key_id_file: Annotated[SecretFile, AfterValidator(_is_key_id)] | None = None
    """In its place."""
    secret_access_key_file: Annotated[SecretFile, AfterValidator(one_word)]
    session_token_file: Annotated[SecretFile, AfterValidator(one_word)] | None = None
    """Beside a temporary key."""
    base_url: str | None = Field(default=None, pattern=r"^https?://\S*[^\s/]$")
    """The endpoint; by `region` where it is not given."""

    @model_validator(mode="after")
    def _has_one_key(self) -> "AwsConfig":
        if (self.access_key_id is None) == (self.access_key_id_file is None):
            raise ValueError("give `access_key_id` or `access_key_id_file`, one of them")
        return self

    @property
    def credentials(self) -> AwsCredentials:
        """The key to sign with."""
        file, token = self.access_key_id_file, self.session_token_file
        return AwsCredentials(
            access_key_id=(self.access_key_id or "") if file is None else file.get_secret_value(),
            secret_access_key=self.secret_access_key_file.get_secret_value(),
            session_token=None if token is None else token.get_secret_value(),
        )


CREDENTIALS_REFUSED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""The key is unknown, may not do this, or the signature is wrong."""

THROTTLED: Final = frozenset(
    {
        "RequestLimitExceeded",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Too many, too fast: nothing was taken."""
