"""`python -m tune`, the same as `embedllm-tune`."""

import sys

from tune.cli import main

# Ray starts this module anew in processes of its own.
if __name__ == "__main__":
    sys.exit(main())
