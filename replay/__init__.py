"""An exchange made of files: the same WebSocket and REST protocol, on loopback.

`server.py` is the exchange itself; `market.py` and `recording.py` are where its events come from.
"""
