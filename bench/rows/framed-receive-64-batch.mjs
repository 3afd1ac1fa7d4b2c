// Like with like: neither side makes an object a message, both touch its first byte and know where it ends.
const server = 'framed.c source'

export default {
  title: 'receiving 64-byte messages in batches, from a source in C, two cores',
  unit: 'messages/s',
  higherIsBetter: true,
  cores: 2,
  amount: 1000,
  quick: 100,
  ours: { server, client: 'framed-nearwire.mjs receive batches' },
  variants: { 'a Buffer a message': { server, client: 'framed-nearwire.mjs receive batches at' } },
  peers: {
    'net data event, split by hand': { server, client: 'framed-net.mjs receive offsets' },
    'net data event, split by hand, a Buffer a message': { server, client: 'framed-net.mjs receive subarray' },
  },
  targets: [{ peer: 'net data event, split by hand', atLeast: 1.2 }],
}
