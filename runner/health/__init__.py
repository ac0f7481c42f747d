"""How a lake is: the heartbeat, the health report, `lake status`."""
