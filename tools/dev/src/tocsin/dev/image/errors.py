"""What can be wrong with an image, as sentences.

LocalStackError
├── ImageFault     an image is not as it should be
└── NotHere        images cannot be built on this machine as this user: nothing is known of them
"""

from tocsin.dev.errors import LocalStackError


class ImageFault(LocalStackError):
    """An image is not as it should be. The message has a sentence for each fault."""


class NotHere(LocalStackError):
    """Images cannot be built here by this user. The message says what is needed."""
