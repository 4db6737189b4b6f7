"""Says why a file cannot be read or written."""


def file_error_reason(error: OSError | UnicodeDecodeError) -> str:
    """Return the reason as one clause, without Python's own words."""
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case IsADirectoryError():
            return "is a directory; name a file"
        case UnicodeDecodeError():
            return f"is not UTF-8 text (byte {error.start})"
        case OSError():
            return error.strerror or "cannot be opened"
