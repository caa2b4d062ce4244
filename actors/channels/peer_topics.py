"""What a session's peer asks of topics, past the channel's service: its endpoint decides.

Publishing to a topic that runs goes straight into that one's mailbox; everything else is done by a service of the
cluster, which can wait.
"""

from __future__ import annotations

from collections.abc import Callable

from actors.envelope import Envelope
from actors.errors import ActorError
from actors.messages import PublishTo
from actors.ref import ActorRef
from actors.services.call import Caller, TopicCall
from actors.topics.delivery import TOPIC_REQUESTS, PublishMany
from actors.topics.listed import publishes_of
from actors.topics.topic_access import right_to_publish

__all__ = ["PeerTopics"]


class PeerTopics:
    """Hands requests about topics over.

    Args:
        ref: Finds actors.
    """

    def __init__(self, ref: Callable[[str, str], ActorRef]) -> None:
        self._ref = ref

    def hand_over(self, envelope: Envelope) -> None:
        """Give a request to the topic, or to the service, which denies it where it may not be.

        Raises:
            CallError: What is wrong with it.
            ActorError: When the service does not take it.
        """
        call: TopicCall = envelope.payload
        if not (isinstance(call.data, PublishTo) and self._is_published(call.data, call.caller, envelope)):
            self._ref("service", TOPIC_REQUESTS).send_nowait(envelope)

    def _is_published(self, request: PublishTo, caller: Caller | None, envelope: Envelope) -> bool:
        """Give messages to their topic; tell whether they may go there, and it takes them now."""
        if caller is None:
            return False
        right = right_to_publish(request.topic, is_free=caller.is_admin, endpoint=caller.endpoint)
        if right is None:
            return False
        is_list = len(request.data) != 1
        publishes = publishes_of(request.data, is_list=is_list, cid=envelope.cid, trace=request.trace, **right)
        payload = PublishMany(publishes) if is_list else publishes[0]
        order = Envelope(payload, envelope.cid, envelope.deadline, envelope.reply)
        try:
            self._ref("topic", request.topic).send_nowait(order)
        except ActorError:
            return False
        return True
