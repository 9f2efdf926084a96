"""Running an image as Kubernetes would run it with our manifests: as its user, without rights, on a root folder that nobody can write to."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from tocsin.dev.image.images import Image
from tocsin.dev.paths import PROJECT

PROVIDERS = "/etc/tocsin/providers"
"""Where dispatchers find the file of their providers, and what it names."""

# $1 is the root folder, $2 the user, $3 a folder of providers; then path and size of each writable folder, `--`, and the command.
_ENTER = """
root=$1 user=$2 providers=$3
shift 3
mkdir -p "$root/etc/tocsin/providers"
mount --bind "$root" "$root"
mount -o remount,bind,ro,nodev "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o nosuid,noexec,mode=0755,size=64k tmpfs "$root/dev"
for node in null zero full random urandom; do
  : > "$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mount -o remount,ro "$root/dev"
mount --bind "$providers" "$root/etc/tocsin/providers"
mount -o remount,bind,ro "$root/etc/tocsin/providers"
while [ "$1" != -- ]; do
  mount -t tmpfs -o "nosuid,nodev,mode=0777,size=$2" tmpfs "$root$1"
  shift 2
done
shift
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+sys_chroot,+setuid,+setgid \\
  chroot --userspec="$user" --groups= "$root" "$@"
"""


def confined(image: Image, root: Path, *, providers: Path, words: Sequence[str]) -> list[str]:
    """The command line that runs `words` in the container at `root`, as process 1 of its own; it ends when this process does.

    The caller passes the environment. All mounts are this process's own, and gone with it.
    """
    writable = [word for path, size in writable_folders(image.service).items() for word in (path, size)]
    isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--"]
    return [
        *isolated,
        "sh",
        "-euc",
        _ENTER,
        "sh",
        str(root),
        image.user,
        str(providers),
        *writable,
        "--",
        *words,
    ]


def writable_folders(service: str) -> Mapping[str, str]:
    """Path → size of each folder that the manifests let a Pod with this image write to."""
    folders: dict[str, str] = {}
    for file in sorted((PROJECT / "deploy" / "k8s" / "base").rglob("*.yaml")):
        for thing in yaml.safe_load_all(file.read_text()):
            if not isinstance(thing, dict) or thing.get("kind") not in ("Deployment", "Job"):
                continue
            pod = thing["spec"]["template"]["spec"]
            empty = {volume["name"]: volume.get("emptyDir") for volume in pod.get("volumes", ())}
            for container in pod.get("containers", ()):
                if not container["image"].startswith(f"tocsin/{service}:"):
                    continue
                for mount in container.get("volumeMounts", ()):
                    if (volume := empty[mount["name"]]) is not None:
                        folders[mount["mountPath"]] = volume.get("sizeLimit", "1Mi").removesuffix("i")
    return folders
