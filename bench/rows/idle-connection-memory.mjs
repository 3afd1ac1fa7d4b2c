export default {
  title: 'private memory of a server for each connection that waits for data',
  unit: 'B',
  higherIsBetter: false,
  cores: 2,
  rounds: 5,
  amount: 5000,
  quick: 600,
  ours: { server: 'idle.mjs nearwire', client: 'idle.c' },
  variants: { 'for await': { server: 'idle.mjs nearwire iterated', client: 'idle.c' } },
  peers: {
    'net, data event': { server: 'idle.mjs net', client: 'idle.c' },
    'net, for await': { server: 'idle.mjs net iterated', client: 'idle.c' },
  },
  targets: [{ peer: 'net, data event', atMost: 0.5 }],
}
