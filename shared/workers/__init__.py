"""Know the live workers by what they announce, and how fast they have been."""
