export default {
  title: 'private memory of a server for each connection that waits for data',
  unit: 'B',
  higherIsBetter: false,
  cores: 2,
  rounds: 5,
  amount: 5000,
  quick: 600,
  ours: { server: 'idle.mjs nearwire', client: 'idle.c' },
  peers: { net: { server: 'idle.mjs net', client: 'idle.c' } },
  targets: [{ peer: 'net', atMost: 0.5 }],
}
