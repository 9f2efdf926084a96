"""`python -m tocsin.dispatch_email`"""

from tocsin.channel.dispatcher import run_dispatcher
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email.settings import KINDS, EmailSettings
from tocsin.web import service_app

if __name__ == "__main__":
    run_dispatcher(channel=Channel.EMAIL, settings=EmailSettings, kinds=KINDS, app=service_app)
