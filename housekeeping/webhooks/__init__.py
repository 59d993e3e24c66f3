"""Send webhooks: claim due deliveries, build and sign their bodies, post them past no private address."""
