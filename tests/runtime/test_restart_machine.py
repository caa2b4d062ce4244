"""Restart windows and backoff over any history: time is data, and a plain list of what happened is the model."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors import Backoff, Intensity
from actors.retry import BackoffState
from runtime.restart import RestartWindow


class RestartMachine(RuleBasedStateMachine):
    """A supervisor's arithmetic without a supervisor: one child that lives for some time, crashes and waits."""

    @initialize(
        restarts=st.integers(0, 4),
        period=st.integers(1, 20),
        first=st.integers(1, 4),
        doublings=st.integers(0, 5),
        reset_after=st.integers(0, 10),
    )
    def begin(self, restarts: int, period: int, first: int, doublings: int, reset_after: int) -> None:
        self.intensity = Intensity(restarts, period)
        self.policy = Backoff(first, first * 2**doublings, reset_after)
        self.window = RestartWindow(self.intensity)
        self.backoff = BackoffState(self.policy)
        self.now = 0.0
        self.crashes: list[float] = []
        self.waits_in_a_row = 0
        self.has_given_up = False

    @precondition(lambda self: not self.has_given_up)
    @rule(lived=st.integers(0, 12), jitter=st.floats(0, 1))
    def crashes_after(self, lived: int, jitter: float) -> None:
        """The child lives, crashes, and waits if the window allows another restart."""
        self.now += lived
        self.crashes.append(self.now)
        if lived >= self.policy.reset_after:
            self.waits_in_a_row = 0
        self.backoff.succeeded_for(lived)
        recent = [one for one in self.crashes if one > self.now - self.intensity.period]
        is_allowed = self.window.allows(self.now)
        assert is_allowed is (len(recent) <= self.intensity.restarts)
        if not is_allowed:
            self.has_given_up = True
            return
        ceiling = min(self.policy.longest, self.policy.first * 2**self.waits_in_a_row)
        asked: list[tuple[float, float]] = []

        def uniform(low: float, high: float) -> float:
            asked.append((low, high))
            return low + jitter * (high - low)

        delay = self.backoff.next_delay(uniform)
        assert asked == [(0.0, ceiling)]
        assert 0 <= delay <= ceiling
        self.waits_in_a_row += 1
        self.now += delay

    @precondition(lambda self: self.has_given_up)
    @rule()
    def starts_anew(self) -> None:
        """After an escalation the children's window is a new one; the parent's own backoff goes on."""
        self.window = RestartWindow(self.intensity)
        self.crashes.clear()
        self.has_given_up = False

    @invariant()
    def attempts_are_those_in_a_row(self) -> None:
        if hasattr(self, "backoff"):
            assert self.backoff.attempt == self.waits_in_a_row


TestRestarts = RestartMachine.TestCase
TestRestarts.settings = settings(max_examples=100, stateful_step_count=40)
