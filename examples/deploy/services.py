"""The services of the cluster: put your own here."""

from actors import Service


class OrderStatus(Service):
    """Says how an order is."""

    name = "order.status"

    async def handle(self, order_id: str) -> dict:
        """Return the status of an order."""
        return {"order_id": order_id, "status": "new"}
