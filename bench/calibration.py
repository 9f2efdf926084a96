"""How fast is this machine just now? A fixed piece of work like that of the services, so that processor times of two machines can be compared."""

import hashlib
import socket
import time
import uuid

import msgspec

ROUNDS, REPEATS = 5, 1_500
_NAMESPACE = uuid.UUID(int=7)
_RECORD = {
    "id": "3b0f6c1e-9d4b-5a53-8e33-1f2a4cbb1d10",
    "recipient": "user-0001",
    "lane": "transactional",
    "attributes": {f"attribute_{number}": "x" * number for number in range(20)},
    "text": "Your order left our warehouse today. " * 30,
}


def calibrate() -> float:
    """Processor microseconds of one piece: the least of a few rounds."""
    near, far = socket.socketpair()
    with near, far:
        return min(_round(near, far) for _ in range(ROUNDS))


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
