"""How fast is this machine just now? A fixed piece of work like that of the services, so that processor times of two machines can be compared.

A stage uses two cores: the service is on one, and what it talks to on the other. So two processes do the piece side by side: a second core that
is slower, or shared with somebody, counts as much as the first.
"""

import contextlib
import hashlib
import os
import select
import socket
import subprocess
import sys
import time
import uuid
from statistics import mean

import msgspec

PROCESSES = min(2, len(os.sched_getaffinity(0)))

ROUNDS, REPEATS = 5, 1_500
_NAMESPACE = uuid.UUID(int=7)
_RECORD = {
    "id": "3b0f6c1e-9d4b-5a53-8e33-1f2a4cbb1d10",
    "recipient": "user-0001",
    "lane": "transactional",
    "attributes": {f"attribute_{number}": "x" * number for number in range(20)},
    "text": "Your order left our warehouse today. " * 30,
}


def calibrate(processes: int) -> float:
    """Processor microseconds of one piece: of each process the least of a few rounds, of these the mean. One process is this one."""
    if processes == 1:
        return _least()
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(_worker()) for _ in range(processes)]
        for worker in workers:
            _read(worker)  # it has started
        for worker in workers:
            _begin(worker)
        return mean(float(_read(worker)) for worker in workers)


def _worker() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _read(worker: "subprocess.Popen[str]") -> str:
    assert worker.stdout is not None
    return worker.stdout.readline()


def _begin(worker: "subprocess.Popen[str]") -> None:
    assert worker.stdin is not None
    worker.stdin.write("\n")
    worker.stdin.flush()


def _work() -> None:
    """One of several: it goes on until all have said what they measured, so that none measures alone."""
    print("started", flush=True)
    sys.stdin.readline()
    print(_least(), flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        _least(rounds=1)


def _least(*, rounds: int = ROUNDS) -> float:
    near, far = socket.socketpair()
    with near, far:
        return min(_round(near, far) for _ in range(rounds))


def _round(near: socket.socket, far: socket.socket) -> float:
    began = time.process_time()
    for number in range(REPEATS):
        _piece(near, far, number)
    return (time.process_time() - began) / REPEATS * 1e6


def _piece(near: socket.socket, far: socket.socket, number: int) -> None:
    """JSON out and in, ids, hashes, strings, objects, and a loopback socket: what services spend their time on."""
    encoded = msgspec.json.encode(_RECORD)
    near.send(encoded)
    decoded = msgspec.json.decode(far.recv(65_536))
    names = {f"{name}-{number}": len(value) for name, value in decoded["attributes"].items()}
    uuid.uuid5(_NAMESPACE, decoded["id"])
    hashlib.sha256(encoded).digest()
    sorted(names, key=names.__getitem__)
    decoded["text"].replace("order", "parcel").split(" ")


if __name__ == "__main__":
    _work()
