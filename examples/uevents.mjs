// Prints the devices that come and go, as the kernel announces them: node uevents.mjs
import { NetlinkSocket } from 'nearwire/netlink';

// The kernel sends to group 1. (udev sends what it has made of that to group 2, with a binary header of its own.)
const events = await NetlinkSocket.open({ protocol: 'kobject_uevent', groups: [1] });
console.log('listening');

for await (const { data, from } of events) {
  if (from !== 0) continue; // not from the kernel
  // No netlink header, but lines ended by NUL: `add@/devices/...`, and then `ACTION=add`, `SUBSYSTEM=net`, ...
  const [what, ...lines] = data.toString().split('\0').slice(0, -1);
  const fields = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s)));
  console.log(fields.SEQNUM, what, fields.SUBSYSTEM, fields.INTERFACE ?? fields.DEVNAME ?? '');
}
