export default {
  title: '64-byte round trips, both ends in Node, two cores, with busyPoll',
  unit: 'round trips/s',
  higherIsBetter: true,
  cores: 2,
  amount: 1000,
  quick: 100,
  ours: { server: 'echo-nearwire.mjs busy', client: 'rtt-nearwire.mjs busy' },
  peers: {
    'net, awaited': { server: 'echo-net.mjs data', client: 'rtt-net.mjs awaited rate' },
    'net, data event': { server: 'echo-net.mjs data', client: 'rtt-net.mjs data rate' },
  },
  targets: [{ peer: 'net, data event', atLeast: 5 }],
}
