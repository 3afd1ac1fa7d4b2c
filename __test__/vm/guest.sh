# What happens in the VM, from before the module is loaded until after it is gone.
# $MODULE is nearwire_echo.ko, $NODE the host's Node (empty if nearwire is not built), $HEADER_NUMBERS the compiled header-numbers.c.

failures=0

# A program that crashes says so itself in no line of TAP; this does, in its place.
run() {
  echo "# $*"
  "$@"
  status=$?
  if [ "$status" -ne 0 ]; then
    echo "# ended with status $status: $*"
    failures=1
  fi
}

peer() { run python3 -B __test__/vm/peer.py "$@"; }

peer unregistered
run insmod "$MODULE"
peer echo attributes news multipart port_ids access malformed counters
if [ -n "$NODE" ]; then
  run "$NODE" --test-reporter=tap __test__/vm/guest.test.mjs
  run "$NODE" --test-reporter=tap __test__/vm/labels.test.mjs
  run modprobe vsock_loopback
  run "$NODE" --test-reporter=tap __test__/vm/notify.test.mjs
fi
peer unload
peer unregistered
exit "$failures"
