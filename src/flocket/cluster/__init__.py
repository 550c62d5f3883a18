"""Many workers behind one port."""
