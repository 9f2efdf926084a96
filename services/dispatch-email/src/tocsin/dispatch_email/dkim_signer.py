"""Signs the mails of one instance: which keys a sender's domain has is looked up once."""

from functools import lru_cache

from tocsin.dispatch_email.dkim import DkimKey, private_key, signed
from tocsin.dispatch_email.dkim_settings import DkimConfig, keys_for


class DkimSigner:
    """Mails of senders without a key go as they are."""

    def __init__(self, configs: tuple[DkimConfig, ...]) -> None:
        keys = {
            config: DkimKey(
                config.domain.encode(),
                config.selector.encode(),
                private_key(config.key_file.get_secret_value()),
            )
            for config in configs
        }
        # Senders are few.
        self._keys = lru_cache(maxsize=1024)(
            lambda domain: [keys[config] for config in keys_for(domain, configs)]
        )

    def signed(self, mail: bytes, *, domain: str, now: int) -> bytes:
        """The mail with its signatures. `domain` is that of its From, `now` in seconds since 1970."""
        keys = self._keys(domain)
        return signed(mail, keys, now=now) if keys else mail
