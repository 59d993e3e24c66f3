"""What runs in the background beside API and workers: telling webhooks, cleaning the store. Imports only `shared`."""
