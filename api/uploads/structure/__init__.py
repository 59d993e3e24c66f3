"""Walk the structure of an uploaded recording, so that what is heard follows from the content and not from a header."""
