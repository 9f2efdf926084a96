"""Topics, their settings, and the start offsets of groups: what `tocsin topics apply` plans and does."""
