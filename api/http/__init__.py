"""Read requests and guard connections: bodies, forms, errors, WebSockets. Imports no service."""
