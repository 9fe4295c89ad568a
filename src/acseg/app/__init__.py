"""The application: the page of the report, alive, with a model behind it."""
