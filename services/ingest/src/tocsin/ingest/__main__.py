"""`python -m tocsin.ingest`"""

import gc
import sys

if __name__ == "__main__":
    gc.disable()  # what follows makes no garbage, and looking for it took up to a quarter of the start; `main` enables it

from tocsin.ingest.app import build
from tocsin.ingest.settings import IngestSettings
from tocsin.runtime import main

SUMMARY = "Takes events in over HTTP and writes them to Kafka."

if __name__ == "__main__":
    sys.exit(main(name="ingest", settings=IngestSettings, build=build, summary=SUMMARY))
