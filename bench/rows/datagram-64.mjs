export default {
  title: '64-byte datagram messages from one process to another, two cores',
  unit: 'messages/s',
  higherIsBetter: true,
  cores: 2,
  amount: 1000,
  quick: 200,
  ours: { server: 'messages-nearwire.mjs datagram receive', client: 'messages-nearwire.mjs datagram send' },
  variants: {
    'batches()': { server: 'messages-nearwire.mjs datagram receive batches', client: 'messages-nearwire.mjs datagram send' },
  },
  peers: {
    'C, a call a message': { server: 'messages.c datagram receive', client: 'messages.c datagram send' },
    'node-unix-socket': {
      needs: 'node-unix-socket',
      server: 'messages-node-unix-socket.mjs datagram receive',
      client: 'messages-node-unix-socket.mjs datagram send',
    },
    'unix-dgram': { needs: 'unix-dgram', server: 'messages-unix-dgram.mjs receive', client: 'messages-unix-dgram.mjs send' },
  },
  targets: [
    { peer: 'C, a call a message', atLeast: 0.9 },
    { peer: 'node-unix-socket', atLeast: 4 },
    { peer: 'unix-dgram', atLeast: 2.5 },
  ],
}
