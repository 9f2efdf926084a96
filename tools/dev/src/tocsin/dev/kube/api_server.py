"""kube-apiserver on this machine: it checks and stores objects, and nothing acts on them, for there are no controllers and no nodes."""

import os
import secrets
import subprocess
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tocsin.dev.errors import StartFailed
from tocsin.dev.kube import go_programs
from tocsin.dev.local_server import LocalServer
from tocsin.dev.processes import free_port, spawn

_KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters:
  - name: check
    cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: "{authority}"}}
users:
  - name: admin
    user: {{token: "{token}"}}
contexts:
  - name: check
    context: {{cluster: check, user: admin}}
current-context: check
"""


class ApiServer(LocalServer):
    """One API server over the etcd at `etcd_url`; its files lie in `folder`. `kubeconfig` is how kubectl reaches it, and only it."""

    def __init__(self, folder: Path, *, etcd_url: str) -> None:
        self._folder = folder
        self._etcd_url = etcd_url
        self._program = Path()
        self._port: int | None = None
        self._token = secrets.token_urlsafe()
        super().__init__(folder / "kube-apiserver.log")

    @property
    def kubeconfig(self) -> Path:
        return self._folder / "kubeconfig"

    def prepare(self) -> None:
        self._program = go_programs.api_server()
        if (self._folder / "accounts.pem").exists():
            return
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        _write_private(self._folder / "accounts.pem", pem)
        _write_private(self._folder / "tokens.csv", f"{self._token},admin,admin,system:masters\n".encode())

    def launch(self) -> subprocess.Popen[bytes]:
        self._port = self._port or free_port()
        accounts = self._folder / "accounts.pem"
        self._process = spawn(
            [
                str(self._program), "--etcd-servers", self._etcd_url,
                "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={self._port}",
                "--cert-dir", str(self._folder / "certificates"), "--token-auth-file", str(self._folder / "tokens.csv"),
                "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--service-account-key-file", str(accounts), "--service-account-signing-key-file", str(accounts),
                "--disable-admission-plugins=ServiceAccount",  # it waits for a controller that makes accounts
                "--endpoint-reconciler-type=none",
            ],
            log=self.log,
        )  # fmt: skip
        return self._process

    def wait_ready(self, *, timeout: float = 60) -> None:
        if self._process is None:
            raise StartFailed("kube-apiserver was not launched.")
        authority = self._folder / "certificates" / "apiserver.crt"
        self.kubeconfig.write_text(
            _KUBECONFIG.format(port=self._port, authority=authority, token=self._token)
        )
        deadline = time.monotonic() + timeout
        while self.kubectl("get", "--raw=/readyz").returncode != 0:
            if self._process.poll() is not None:
                raise StartFailed(
                    f"kube-apiserver ended while starting (exit code {self._process.returncode}); see {self.log}"
                )
            if time.monotonic() > deadline:
                raise StartFailed(f"kube-apiserver was not ready within {timeout:.0f} s; see {self.log}")
            time.sleep(0.5)

    def kubectl(self, *words: str, objects: str | None = None) -> subprocess.CompletedProcess[str]:
        """What kubectl answers; `objects` is its standard input. It reads no configuration of this machine."""
        return subprocess.run(
            [go_programs.kubectl(), *words],
            input=objects,
            capture_output=True,
            text=True,
            check=False,
            env={"KUBECONFIG": str(self.kubeconfig), "HOME": str(self._folder), "PATH": os.environ["PATH"]},
        )

    @property
    def _addressed(self) -> bool:
        return self._port is not None

    def _forget_address(self) -> None:
        self._port = None


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
