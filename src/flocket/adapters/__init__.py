"""The other nodes: what they say to each other, and over what."""
