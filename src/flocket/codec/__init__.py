"""Bytes to packets and back: pure functions, which hold no state and know no session."""
