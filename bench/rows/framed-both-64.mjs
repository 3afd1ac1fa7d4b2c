export default {
  title: '64-byte messages from one Node process to another, two cores',
  unit: 'messages/s',
  higherIsBetter: true,
  cores: 2,
  amount: 1000,
  quick: 200,
  ours: { server: 'framed-nearwire.mjs listen', client: 'framed-nearwire.mjs send' },
  peers: {
    'net, a write a message': { server: 'framed-net.mjs listen', client: 'framed-net.mjs send' },
    'net, corked by 1,024': { server: 'framed-net.mjs listen', client: 'framed-net.mjs send corked' },
    'zeromq ipc://': { needs: 'zeromq', server: 'framed-zeromq.mjs pull', client: 'framed-zeromq.mjs push' },
  },
  targets: [
    { peer: 'net, a write a message', atLeast: 5 },
    { peer: 'zeromq ipc://', atLeast: 6 },
  ],
}
