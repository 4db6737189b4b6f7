"""The faces: a page for people, APIs for programs, a feed, badges, metrics."""
