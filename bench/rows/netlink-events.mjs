// A burst is as large as a default receive buffer holds, so that nothing is lost on either side; only the time that
// delivering takes counts, not the kernel's for making the events.
const server = 'route.c events'

export default {
  title: 'route events delivered without loss, in bursts of 200',
  unit: 'events/s',
  higherIsBetter: true,
  cores: 2,
  namespace: true,
  amount: 1000,
  quick: 200,
  ours: { server, client: 'route-nearwire.mjs events' },
  peers: { 'npm netlink': { needs: 'netlink', server, client: 'route-netlink.mjs events' } },
  targets: [{ peer: 'npm netlink', atLeast: 2 }],
}
