"""Send webhooks and clean the store, beside API and workers. Imports only `shared`."""
