"""The services of the sample's cluster emea: it publishes a new customer every few seconds."""

from itertools import count

from actors import Service


class NewCustomers(Service):
    """Publishes a customer to /customer/new at intervals."""

    name = "demo.new-customers"
    every = 3.0
    concurrency = 1

    async def setup(self) -> None:
        self.customer_ids = count(1)

    async def handle(self) -> None:
        customer_id = next(self.customer_ids)
        await self.pubsub.publish("/customer/new", {"customer_id": customer_id, "name": f"Customer {customer_id}"})
