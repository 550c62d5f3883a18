"""`flocket demo`: a chat that shows what the server can do, served beside it."""
