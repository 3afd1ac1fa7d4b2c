export default {
  title: '64-byte datagrams from one process to another that is open to anybody, two cores; ours by batches()',
  unit: 'messages/s',
  higherIsBetter: true,
  cores: 2,
  amount: 2000,
  quick: 200,
  ours: { server: 'messages-nearwire.mjs datagram receive batches', client: 'messages-nearwire.mjs datagram send' },
  variants: {
    'for await, a promise a message': { server: 'messages-nearwire.mjs datagram receive', client: 'messages-nearwire.mjs datagram send' },
  },
  peers: {
    'C, a call a message': { server: 'messages.c datagram receive', client: 'messages.c datagram send' },
    'node-unix-socket': {
      needs: 'node-unix-socket',
      server: 'messages-node-unix-socket.mjs datagram receive',
      client: 'messages-node-unix-socket.mjs datagram send',
    },
    'unix-dgram': {
      needs: 'unix-dgram', server: 'messages-unix-dgram.mjs datagram receive', client: 'messages-unix-dgram.mjs datagram send',
    },
  },
  targets: [],
}
