"""What people look at: overlays, contact sheets and the report."""
