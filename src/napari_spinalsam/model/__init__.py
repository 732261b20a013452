"""Networks, their files and the session that serves them; torch lives only here."""
