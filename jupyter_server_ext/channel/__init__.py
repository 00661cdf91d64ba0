"""How pages are connected: WebSockets, long polling, and the logins that let them in."""
