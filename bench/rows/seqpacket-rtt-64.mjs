export default {
  title: '64-byte seqpacket round trip, the same library on both ends, one core',
  unit: 'us',
  higherIsBetter: false,
  cores: 1,
  amount: 1000,
  quick: 100,
  ours: { server: 'messages-nearwire.mjs seqpacket echo', client: 'messages-nearwire.mjs seqpacket rtt' },
  peers: {
    'C, blocking': { server: 'messages.c seqpacket echo', client: 'messages.c seqpacket rtt' },
    'node-unix-socket': {
      needs: 'node-unix-socket',
      server: 'messages-node-unix-socket.mjs seqpacket echo',
      client: 'messages-node-unix-socket.mjs seqpacket rtt',
    },
  },
  targets: [],
}
