"""Pictures too large to be seen at once: tiles of one picture, with one set of concepts for all."""
