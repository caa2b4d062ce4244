"""An interactive client of a channel: what is typed, what that does over a link, and how it is shown."""
