"""``python -m ocvf_lmp`` is the same as ``ocvf-lmp``."""

from ocvf_lmp.cli import main

raise SystemExit(main())
