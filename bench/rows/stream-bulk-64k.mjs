export default {
  title: '64 KiB writes from one Node process to another, two cores',
  unit: 'B/s',
  higherIsBetter: true,
  cores: 2,
  amount: 1000,
  quick: 200,
  ours: { server: 'bulk-nearwire.mjs receive', client: 'bulk-nearwire.mjs send' },
  peers: { net: { server: 'bulk-net.mjs receive', client: 'bulk-net.mjs send' } },
  targets: [{ peer: 'net', atLeast: 1.4 }],
}
