"""Names: what people, or a text-image model, call the classes; which are merged and dropped."""
