"""The application in the browser: drop a picture, see its concepts, name them, browse results."""
