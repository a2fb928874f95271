"""The simulated kernel and processor: see README.md."""
