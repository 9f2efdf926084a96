"""Images from their base to a service that has ended well: built, looked into, run."""

from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from tocsin.dev.image import images
from tocsin.dev.image.bill import bill_of_image, differences
from tocsin.dev.image.buildah import Buildah
from tocsin.dev.image.contents import faults
from tocsin.dev.image.errors import ImageFault
from tocsin.dev.image.images import Image
from tocsin.dev.image.running import Trial, local_services, make_providers
from tocsin.dev.installation import DATABASE
from tocsin.dev.kafka import KafkaServer
from tocsin.dev.paths import PROJECT
from tocsin.dev.postgres import PostgresServer, create_database
from tocsin.dev.progress import Steps

BILLS = PROJECT / "build" / "sbom"


class Check:
    """Checks images of one storage; logs and data of the servers lie in `folder`."""

    def __init__(self, buildah: Buildah, *, folder: Path, steps: Steps) -> None:
        self._buildah = buildah
        self._folder = folder
        self._steps = steps
        self._built: list[Image] = []

    def build(self, services: Sequence[str]) -> None:
        """One image for each."""
        for name in services:
            with self._steps.step(f"Building {name}"):
                self._built.append(images.build(self._buildah, name))

    def run(self) -> None:
        """Looks into each image and runs it. Raises ImageFault at the first that is not as it should be."""
        providers = self._folder / "providers"
        make_providers(providers)
        with ExitStack() as running:
            with self._steps.step("Starting Kafka and PostgreSQL"):
                kafka = running.enter_context(KafkaServer(self._folder / "kafka"))
                postgres = running.enter_context(PostgresServer(self._folder / "postgres", durable=False))
                database = create_database(postgres.url, DATABASE)
            local = local_services(kafka=kafka.bootstrap_servers, database=database)
            for image in self._built:
                name = image.service
                with (
                    self._steps.step(f"Looking into {name}, running it"),
                    self._buildah.container(image.name) as root,
                ):
                    self._look_into(image, root)
                    trial = Trial(
                        image=image,
                        root=root,
                        providers=providers,
                        service=local[name],
                        log=self._folder / f"{name}.log",
                        say=self._steps.say,
                    )
                    trial.prepare()
                    trial.run()

    def save(self, into: Path) -> None:
        """Each image as an archive, and `digests.txt`."""
        into.mkdir(parents=True, exist_ok=True)
        digests = []
        for image in self._built:
            with self._steps.step(f"Writing {into / image.service}.tar"):
                digest = images.save(
                    self._buildah, image, version=version(f"tocsin-{image.service}"), into=into
                )
            digests.append(f"{digest}  tocsin/{image.service}\n")
        (into / "digests.txt").write_text("".join(digests))

    def _look_into(self, image: Image, root: Path) -> None:
        wrong = [*faults(root, uid=image.uid, env=image.env), *differences(image.service, root)]
        if wrong:
            raise ImageFault(f"The image of {image.service} is not as it should be:\n" + "\n".join(wrong))
        BILLS.mkdir(parents=True, exist_ok=True)
        bill = BILLS / f"image-{image.service}.cdx.json"
        bill.write_text(bill_of_image(image.service, root) + "\n")
        self._steps.say(
            f"      nothing is in it that must not be; what it is made of: {bill.relative_to(PROJECT)}"
        )
