"""Where the world comes in: HTTP servers, signals, files. Translates; decides nothing about the protocol."""
