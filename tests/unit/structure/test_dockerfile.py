"""One Dockerfile builds every service: what it copies exists, what it installs is pinned, nothing runs as root."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "deploy" / "Dockerfile").read_text()
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
IMAGES = [*SERVICES, "catcher"]
STAGES = [stage for stage in re.split(r"^FROM ", TEXT, flags=re.MULTILINE) if stage.startswith("python")]


def copied(image: str) -> list[str]:
    """Every path the build takes from the repository for `image`."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", TEXT, re.MULTILINE)
    return [path for line in lines for path in line.replace("${SERVICE}", image).split()[:-1]]


def parts(image: str) -> list[str]:
    """The distributions built into `image`, as the Dockerfile's `case` chooses them."""
    choices = re.findall(r'^ +(\S+)\) parts="([^"]+)" ;;', TEXT, re.MULTILINE)
    chosen = next(paths for pattern, paths in choices if pattern in {image, "*"})
    return [path.replace("${SERVICE}", image) for path in chosen.split()]


@pytest.mark.parametrize("image", IMAGES)
def test_whatever_an_image_is_made_of_exists_and_reaches_the_build(image: str) -> None:
    assert all((ROOT / path).exists() for path in copied(image))
    ignore = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().split()
    allowed = [line[1:] for line in ignore if line.startswith("!")]
    for path in [*copied(image), *parts(image)]:
        assert any(path == folder or path.startswith(f"{folder}/") for folder in allowed), path
    for part in parts(image):
        assert (ROOT / part / "pyproject.toml").is_file()
        assert any(part == path or part.startswith(f"{path}/") for path in copied(image)), part


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_starts_a_module_that_exists(image: str) -> None:
    own = parts(image)[0] if image == "catcher" else parts(image)[1]
    assert (ROOT / own / "src" / "tocsin" / image.replace("-", "_") / "__main__.py").is_file()
    assert "exec python -m tocsin.%s" in STAGES[0]
    assert STAGES[1].rstrip().endswith('ENTRYPOINT ["service"]')


@pytest.mark.parametrize("name", [*IMAGES, "hatchling", "uv", "dev"])
def test_every_requirement_is_pinned_by_hash_and_names_no_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    entries = re.split(
        r"^(?=[A-Za-z0-9])", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE
    )
    for entry in filter(None, entries):
        assert re.match(r"[A-Za-z0-9._-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_packages_come_by_hash_and_ours_without_any() -> None:
    installs = re.findall(r"pip (?:--python \S+ )?install (.+?)(?: \\)?$", TEXT, re.MULTILINE)
    assert len(installs) == 3
    for options in installs:
        assert "--require-hashes --only-binary :all:" in options or "--no-deps --no-index" in options


def test_the_image_that_runs_has_an_ordinary_user_and_nothing_to_build_with() -> None:
    build, final = STAGES
    assert build.startswith("python:3.11-slim AS build")
    assert final.startswith("python:3.11-slim")
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert "pip uninstall --yes --quiet --root-user-action ignore pip setuptools wheel" in final
    assert "HEALTHCHECK" not in TEXT  # each orchestrator asks /livez and /readyz itself
    assert not re.search(r"apt-get|curl|wget|ADD ", TEXT)
