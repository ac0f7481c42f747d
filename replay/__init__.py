"""An exchange made of files: Binance's WebSocket and REST protocol on loopback."""
