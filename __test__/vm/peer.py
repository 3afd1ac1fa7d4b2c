"""An independent peer of the kernel module: `peer.py <file of cases>...` runs them in order and prints TAP.

Nothing here knows nearwire or the module's header: the bytes are written out by hand, as netlink(7) has them.
"""
import importlib
import sys
import traceback

import tap

for name in sys.argv[1:]:
    importlib.import_module(f'cases.{name}')

print('TAP version 13', flush=True)
failures = 0
for number, (name, run) in enumerate(tap.cases, 1):
    try:
        run()
        print(f'ok {number} - {name}', flush=True)
    except Exception:
        failures += 1
        print(f'not ok {number} - {name}')
        for line in traceback.format_exc().splitlines():
            print(f'# {line}')
        sys.stdout.flush()
print(f'1..{len(tap.cases)}', flush=True)
sys.exit(1 if failures else 0)
