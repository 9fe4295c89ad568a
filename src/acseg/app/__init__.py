"""The application in the browser: drop a picture, see its concepts, name them, browse results."""

import os

# Read by gradio when it is imported: it reports nothing to anybody.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
