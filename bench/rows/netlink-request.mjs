export default {
  title: 'IPv4 routes added one request at a time, each acknowledged',
  unit: 'us',
  higherIsBetter: false,
  cores: 1,
  namespace: true,
  amount: 100_000, // routes, so that compiling is a small part of the time
  quick: 2000,
  ours: { client: 'route-nearwire.mjs request' },
  peers: {
    'npm netlink': { needs: 'netlink', client: 'route-netlink.mjs request' },
    C: { client: 'route.c request' },
    'vishvananda/netlink': { client: 'routes.go request' },
    pyroute2: { client: 'routes.py request', amount: 2000, rounds: 3 },
  },
  targets: [
    { peer: 'npm netlink', atMost: 1 / 2 },
    { peer: 'C', atMost: 1.5 },
  ],
}
