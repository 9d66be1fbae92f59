"""The shell: asyncio, time and the network live here."""
