export default {
  title: 'descriptors passed and closed, one with each one-byte message of a stream, one core; ours by messages()',
  unit: 'descriptors/s',
  higherIsBetter: true,
  cores: 1,
  amount: 2000,
  quick: 200,
  ours: { server: 'fds-nearwire.mjs receive', client: 'fds-nearwire.mjs send' },
  variants: {
    'receiveMessage(), a call a message': { server: 'fds-nearwire.mjs receive each', client: 'fds-nearwire.mjs send' },
  },
  peers: {
    usocket: { needs: 'usocket', server: 'fds-usocket.mjs receive', client: 'fds-usocket.mjs send' },
    C: { server: 'fds.c receive', client: 'fds.c send' },
  },
  targets: [{ peer: 'usocket', atLeast: 2 }],
}
