"""What `.ci/release` asks of the working tree: the version that stands in it, and the notes of its changelog."""
