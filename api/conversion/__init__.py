"""Convert kept clips to other formats, in a process of its own each. Imports no Flask."""
