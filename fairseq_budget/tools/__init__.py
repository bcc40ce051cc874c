"""What is made once before or beside training: HuBERT's labels."""
