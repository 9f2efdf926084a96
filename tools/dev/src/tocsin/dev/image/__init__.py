"""The services' images, built and run on this machine without Docker, and what is found in them."""
