"""The corpora of SUPERB's tasks: where they lie, what s3prl needs beside them, and miniatures in the same layout."""
