// The sink shares the sender's core: with a core of its own it would wake for every write and slow the sender down.
const server = 'framed.c sink'

export default {
  title: 'sending 64-byte messages to a sink in C, one core',
  unit: 'messages/s',
  higherIsBetter: true,
  cores: 1,
  amount: 1000,
  quick: 100,
  ours: { server, client: 'framed-nearwire.mjs send' },
  peers: {
    'net, a write a message': { server, client: 'framed-net.mjs send' },
    'net, corked by 1,024': { server, client: 'framed-net.mjs send corked' },
  },
  targets: [
    { peer: 'net, a write a message', atLeast: 15 },
    { peer: 'net, corked by 1,024', atLeast: 1.4 },
  ],
}
