// Of two that are connected to each other the kernel limits what is under way by the sender's memory alone; the queue of
// a receiver that is open to anybody holds eleven messages (net.unix.max_dgram_qlen), which is a row of its own.
export default {
  title: '64-byte datagrams from one process to another, connected to each other, two cores; ours by batches()',
  unit: 'messages/s',
  higherIsBetter: true,
  cores: 2,
  amount: 2000,
  quick: 200,
  ours: { server: 'messages-nearwire.mjs connected receive batches', client: 'messages-nearwire.mjs connected send' },
  variants: {
    'for await, a promise a message': { server: 'messages-nearwire.mjs connected receive', client: 'messages-nearwire.mjs connected send' },
  },
  peers: {
    'C, a call a message': { server: 'messages.c connected receive', client: 'messages.c connected send' },
    'node-unix-socket, which cannot connect': {
      needs: 'node-unix-socket',
      server: 'messages-node-unix-socket.mjs datagram receive',
      client: 'messages-node-unix-socket.mjs datagram send',
    },
    'unix-dgram': {
      needs: 'unix-dgram', server: 'messages-unix-dgram.mjs connected receive', client: 'messages-unix-dgram.mjs connected send',
    },
  },
  targets: [
    { peer: 'C, a call a message', atLeast: 0.9 },
    { peer: 'node-unix-socket, which cannot connect', atLeast: 4 },
    { peer: 'unix-dgram', atLeast: 2.5 },
  ],
}
