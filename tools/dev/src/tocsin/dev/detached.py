"""The stack in the background: `up` and `down`."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import psutil

from tocsin.dev.errors import StartFailed
from tocsin.dev.run_folder import RunFolder

LOOK_EVERY = 0.1  # seconds
STOP_WITHIN = 90.0  # seconds


def start_detached(folder: RunFolder, words: Sequence[str], *, say: Callable[[str], None]) -> None:
    """Starts `python -m tocsin.dev …words` in a session of its own, repeats what it says until it is ready, then leaves it alone. It is ready once
    `folder`, which is its own, has endpoints.

    Raises StartFailed when it ends instead; its last line has then been repeated.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    log = folder.path / "stack.log"
    folder.endpoints.unlink(missing_ok=True)
    log.touch(mode=0o600)
    log.chmod(0o600)
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "tocsin.dev", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with log.open() as lines:
            while True:
                ended, ready = child.poll() is not None, folder.endpoints.exists()
                for line in lines:
                    say(line.rstrip("\n"))
                if ended:
                    raise StartFailed(f"`{words[0]}` did not come up; its words are in {log}")
                if ready:
                    child.returncode = 0  # left alone on purpose: no one here waits for it any more
                    return
                time.sleep(LOOK_EVERY)
    except KeyboardInterrupt:
        child.send_signal(signal.SIGTERM)
        child.wait()
        raise


def stop_detached(folder: RunFolder) -> bool:
    """Ends the stack that runs in this folder, and returns when all of it is gone. False: nothing ran."""
    supervisor = folder.supervisor()
    if supervisor is None:
        return False
    family = [supervisor]
    with contextlib.suppress(psutil.NoSuchProcess):
        family += supervisor.children(recursive=True)
        supervisor.terminate()
    _, alive = psutil.wait_procs(family, timeout=STOP_WITHIN)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=STOP_WITHIN)
    return True


def running_entry(folder: RunFolder) -> str | None:
    """The entry address of the stack that is ready in this folder; None when there is none."""
    if folder.supervisor() is None or not folder.endpoints.exists():
        return None
    entry: str = json.loads(folder.endpoints.read_text())["entry"]
    return entry
