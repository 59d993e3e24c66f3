"""Build what a published API's webhook body and its readers have in common. Knows no HTTP."""
