"""Where finished videos and reference media are kept, and how their bytes are served."""
