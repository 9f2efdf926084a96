"""Whether a vulnerability is known of anything that is pinned, and which of those we live with, until when."""
