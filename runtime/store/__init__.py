"""Stores of messages, behind `actors.ports.TopicStore`."""
