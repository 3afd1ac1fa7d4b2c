// A member of the group in a process of its own: tells its parent that it has joined, and then what it heard.
import { NetlinkSocket } from 'nearwire/netlink';
import { group, protocol } from '../../examples/kernel-module/protocol.mjs';

const socket = await NetlinkSocket.open({ protocol, groups: [group.news] });
process.send('joined');
const [news] = (await socket.receive()).messages();
process.send(news.payload.toString());
await socket.close();
process.disconnect();
