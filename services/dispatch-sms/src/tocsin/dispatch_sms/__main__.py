"""`python -m tocsin.dispatch_sms`"""

from tocsin.channel.dispatcher import run_dispatcher
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_sms.settings import KINDS, SmsSettings
from tocsin.web import service_app

if __name__ == "__main__":
    run_dispatcher(channel=Channel.SMS, settings=SmsSettings, kinds=KINDS, app=service_app)
