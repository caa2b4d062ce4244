"""Services: what answers requests, what they are written in, and what they can reach."""
