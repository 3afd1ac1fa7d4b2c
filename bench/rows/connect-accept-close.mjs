export default {
  title: 'connections made, accepted and closed on both sides, one after another, one core',
  unit: 'connections/s',
  higherIsBetter: true,
  cores: 1,
  amount: 1000,
  quick: 100,
  ours: { server: 'connect-nearwire.mjs server', client: 'connect-nearwire.mjs client' },
  peers: { net: { server: 'connect-net.mjs server', client: 'connect-net.mjs client' } },
  targets: [{ peer: 'net', atLeast: 1.5 }],
}
