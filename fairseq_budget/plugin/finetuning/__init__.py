"""CTC fine-tuning as a fairseq task: `budget_ctc_finetuning`."""
