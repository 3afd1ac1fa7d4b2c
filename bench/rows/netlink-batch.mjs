export default {
  title: 'IPv4 routes added as fast as each has a way to',
  unit: 'routes/s',
  higherIsBetter: true,
  cores: 1,
  namespace: true,
  amount: 50_000, // routes
  quick: 5000,
  ours: { client: 'route-nearwire.mjs batch' },
  peers: {
    'ip -batch': { client: 'ip.sh batch' },
    'vishvananda/netlink': { client: 'routes.go batch' },
    pyroute2: { client: 'routes.py batch', amount: 5000, rounds: 3 },
    'C, 200 requests a call, the last acknowledged': { client: 'route.c batch' },
  },
  targets: [
    { peer: 'ip -batch', atLeast: 1.5 },
    { peer: 'vishvananda/netlink', atLeast: 1.5 },
  ],
}
