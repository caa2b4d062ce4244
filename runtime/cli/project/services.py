"""The services of @NAME@."""

from attrs import frozen

from actors import Service


@frozen
class Query:
    """What a caller sends: an input of another shape is answered with an error that names what is wrong with it."""

    name: str


@frozen
class Greeting:
    """What the caller gets."""

    text: str


class Greet(Service):
    """Greets whoever is named, and publishes the greeting."""

    name = "greeting.greet"

    async def handle(self, query: Query) -> Greeting:
        """Return the greeting once it is published."""
        greeting = Greeting(f"Hello, {query.name}!")
        await self.pubsub.publish("/greeting/new", {"text": greeting.text})
        return greeting
