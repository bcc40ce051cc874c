"""Pre-trained models as s3prl wants them."""
