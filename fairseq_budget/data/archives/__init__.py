"""Audio in archives: tar and zip files, of which a row names a stretch of bytes, so that nothing is ever unpacked."""
