"""The jobs of this server: who owns them, how they change, and whether their process lives."""
