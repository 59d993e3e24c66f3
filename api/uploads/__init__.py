"""Check and decode uploaded recordings, in a confined process. Imports no Flask.

Each format has a module that finds where its sound lies, refuses a file that was cut off, and repairs lengths that say
less than there is. Runs inside the decoder process (`api.uploads.decoder_process`); imports no codec and nothing else
of the server.
"""
