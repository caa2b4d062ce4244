"""Administration: services that answer the admin socket, and their client."""
