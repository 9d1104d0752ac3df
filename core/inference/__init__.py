"""Model packs and the networks in them: what is computed, and where it runs."""
