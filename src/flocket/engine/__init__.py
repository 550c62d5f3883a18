"""One browser's connection, over any transport: knows no Socket.IO, no clock and no event loop."""
