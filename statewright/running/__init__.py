"""The processes of one run: supervisor, recorder, servers, attempts at stages."""
