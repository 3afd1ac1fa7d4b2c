export default {
  title: 'importing the package in a fresh process',
  unit: 'ms',
  higherIsBetter: false,
  cores: 1,
  rounds: 15,
  amount: 1,
  quick: 1,
  ours: { client: 'import.mjs nearwire' },
  peers: {
    'node-unix-socket': { needs: 'node-unix-socket', client: 'import.mjs node-unix-socket' },
    zeromq: { needs: 'zeromq', client: 'import.mjs zeromq' },
  },
  targets: [
    { peer: 'node-unix-socket', atMost: 1 },
    { peer: 'zeromq', atMost: 1 },
  ],
}
