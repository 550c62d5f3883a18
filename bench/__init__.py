"""The benchmark: servers of several languages under one load, side by side. See `python -m bench --help`.

It knows the servers by their command lines only; nothing in it is part of the package.
"""
