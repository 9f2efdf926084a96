"""`python -m tocsin.ingest`"""

import sys

from tocsin.ingest.app import build
from tocsin.ingest.settings import IngestSettings
from tocsin.runtime import main

SUMMARY = "Takes events in over HTTP and writes them to Kafka."

if __name__ == "__main__":
    sys.exit(main(name="ingest", settings=IngestSettings, build=build, summary=SUMMARY))
