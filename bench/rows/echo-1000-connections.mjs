const client = 'load.c echo'

export default {
  title: 'one server echoing 64 bytes on each of 1,000 connections, driven by a client in C, two cores',
  unit: 'round trips/s',
  higherIsBetter: true,
  cores: 2,
  amount: 1500,
  quick: 200,
  ours: { server: 'echo-nearwire.mjs', client },
  peers: {
    'net, data event': { server: 'echo-net.mjs data', client },
    'net, for await': { server: 'echo-net.mjs awaited', client },
  },
  targets: [{ peer: 'net, data event', atLeast: 1.2 }],
}
