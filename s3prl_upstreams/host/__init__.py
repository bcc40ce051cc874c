"""What unmodified s3prl needs to run on current packages, and the names that it looks upstreams up by."""
