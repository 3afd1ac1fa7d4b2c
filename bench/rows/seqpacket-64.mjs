export default {
  title: '64-byte seqpacket messages from one process to another, two cores; ours by batches()',
  unit: 'messages/s',
  higherIsBetter: true,
  cores: 2,
  amount: 2000,
  quick: 200,
  ours: { server: 'messages-nearwire.mjs seqpacket receive batches', client: 'messages-nearwire.mjs seqpacket send' },
  variants: {
    'for await, a promise a message': { server: 'messages-nearwire.mjs seqpacket receive', client: 'messages-nearwire.mjs seqpacket send' },
  },
  peers: {
    'C, a call a message': { server: 'messages.c seqpacket receive', client: 'messages.c seqpacket send' },
    'node-unix-socket': {
      needs: 'node-unix-socket',
      server: 'messages-node-unix-socket.mjs seqpacket receive',
      client: 'messages-node-unix-socket.mjs seqpacket send',
    },
  },
  targets: [
    { peer: 'C, a call a message', atLeast: 0.9 },
    { peer: 'node-unix-socket', atLeast: 4 },
  ],
}
