export default {
  title: '64-byte datagram round trip, the same library on both ends, one core',
  unit: 'us',
  higherIsBetter: false,
  cores: 1,
  amount: 1000,
  quick: 100,
  ours: { server: 'messages-nearwire.mjs datagram echo', client: 'messages-nearwire.mjs datagram rtt' },
  peers: {
    'C, blocking': { server: 'messages.c datagram echo', client: 'messages.c datagram rtt' },
    'node-unix-socket': {
      needs: 'node-unix-socket',
      server: 'messages-node-unix-socket.mjs datagram echo',
      client: 'messages-node-unix-socket.mjs datagram rtt',
    },
    'unix-dgram': { needs: 'unix-dgram', server: 'messages-unix-dgram.mjs datagram echo', client: 'messages-unix-dgram.mjs datagram rtt' },
  },
  targets: [],
}
