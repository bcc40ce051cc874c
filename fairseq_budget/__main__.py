"""``python -m fairseq_budget`` is the ``fairseq-budget`` command."""

from fairseq_budget.cli import main

if __name__ == "__main__":
    main()
