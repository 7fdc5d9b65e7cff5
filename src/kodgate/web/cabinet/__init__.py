"""The personal cabinet: pages for the people of an account, rendered on the server."""
