"""`python -m embedllm`, the same as `embedllm`."""

import sys

from embedllm.cli import main

sys.exit(main())
