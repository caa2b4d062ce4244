"""Topics and subscriptions: who may, what waits, what is delivered, and how a subscriber handles it."""
