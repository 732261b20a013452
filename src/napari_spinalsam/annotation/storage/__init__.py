"""Annotations on disk: saved, recovered and made again."""
