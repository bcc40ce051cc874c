"""The corpora of SUPERB's tasks: where they lie, and what s3prl needs beside them."""
