"""Message <-> (channel, bytes), one file for each dialect: pure functions, which open no connection.

Whatever the bytes are, decoding raises nothing but `codec.errors.DecodeError`.
"""
