"""Namespaces, sockets, rooms and events: knows no network and no clock."""
