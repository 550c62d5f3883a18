"""flocket: a Socket.IO server whose nodes work as one. Public names only."""
