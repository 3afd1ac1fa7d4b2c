const server = 'echo.c server'

export default {
  title: '64-byte round trip against one echo server in C, one core',
  unit: 'us',
  higherIsBetter: false,
  cores: 1,
  amount: 1000,
  quick: 100,
  ours: { server, client: 'rtt-nearwire.mjs' },
  peers: {
    'net, awaited': { server, client: 'rtt-net.mjs awaited' },
    'net, data event': { server, client: 'rtt-net.mjs data' },
    'net, onread callback': { server, client: 'rtt-net.mjs onread' },
    'C, blocking': { server, client: 'echo.c client' },
  },
  targets: [
    { peer: 'net, awaited', atMost: 0.92 },
    { peer: 'net, data event', atMost: 0.95 },
    { peer: 'C, blocking', atMost: 1.7 },
  ],
}
