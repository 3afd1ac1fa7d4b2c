// SPDX-License-Identifier: MIT OR Apache-2.0
// Speaks to the nearwire_echo kernel module: node client.mjs [text]
import { NetlinkClient, NetlinkSocket } from 'nearwire/netlink';
import { Echo, group, protocol, type } from './protocol.mjs';

const text = process.argv[2] ?? 'hello';

// Without the module this is EPROTONOSUPPORT: nobody in the kernel serves the protocol.
const client = await NetlinkClient.open({ protocol });
const listener = await NetlinkSocket.open({ protocol, groups: [group.news] });

// Bytes there, the same bytes back.
const [echo] = await client.request({ type: type.echo, payload: Buffer.from(text) });
console.log('echo:', echo.payload.toString());

// Typed attributes there, typed attributes back.
const [answer] = await client.request({
  type: type.attributes,
  payload: Echo.encode({ text, number: 41, shout: true, place: { row: 3, column: 4, label: 'here' } }),
});
console.log('attributes:', Echo.decode(answer.payload));

// One to many: whoever has joined the group hears it.
await client.request({ type: type.publish, payload: Buffer.from(text) });
const news = await listener.receive();
for (const message of news.messages()) {
  console.log(`news from port ${news.from}, group ${news.group}:`, message.payload.toString());
}

// As much as it likes, as fast as it is read.
let count = 0;
for await (const message of client.dump({ type: type.list, payload: Echo.encode({ number: 5000 }) })) {
  if (Echo.decode(message.payload).number !== count) throw new Error(`number ${count} is missing`);
  count += 1;
}
console.log('list:', count, 'numbers');

// A refusal says why.
try {
  await client.request({ type: type.refuse, payload: Buffer.alloc(0) });
} catch (error) {
  console.log('refused:', error.code, error.extack.message);
}

const [counters] = await client.request({ type: type.counters, payload: Buffer.alloc(0) });
console.log('counters:', Echo.decode(counters.payload));

await listener.close();
await client.close();
