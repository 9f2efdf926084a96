"""`python -m tocsin.dispatch_push`"""

from tocsin.channel.dispatcher import run_dispatcher
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_push.settings import KINDS, PushSettings
from tocsin.web import service_app

if __name__ == "__main__":
    run_dispatcher(channel=Channel.PUSH, settings=PushSettings, kinds=KINDS, app=service_app)
