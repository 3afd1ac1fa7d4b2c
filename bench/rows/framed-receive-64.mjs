const server = 'framed.c source'

export default {
  title: 'receiving 64-byte messages with for await, from a source in C, two cores',
  unit: 'messages/s',
  higherIsBetter: true,
  cores: 2,
  amount: 1000,
  quick: 100,
  ours: { server, client: 'framed-nearwire.mjs receive' },
  peers: { 'net and a generator': { server, client: 'framed-net.mjs receive' } },
  targets: [{ peer: 'net and a generator', atLeast: 2.5 }],
}
