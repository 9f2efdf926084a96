"""`python enqueue.py ORDER_FILE RESULT_FILE`: one task a message, as fast as they are taken or at planned times."""

import json
import os
import sys
import time
from pathlib import Path

from celery import Celery

app = Celery(broker=os.environ["REDIS_URL"])
order = json.loads(Path(sys.argv[1]).read_text())
planned = []
began = time.time()
cpu = time.process_time()
for number, (message_id, recipient) in enumerate(zip(order["ids"], order["recipients"], strict=True)):
    at = time.time() if order["rate"] is None else began + number / order["rate"]
    time.sleep(max(0.0, at - time.time()))
    planned.append(at)
    app.send_task("send_mail", [message_id, recipient], ignore_result=True)
Path(sys.argv[2]).write_text(json.dumps({"planned": planned, "cpu_seconds": time.process_time() - cpu}))
