export default {
  title: 'a dump of 100,000 IPv4 routes, undecoded',
  unit: 'ms',
  higherIsBetter: false,
  cores: 1,
  namespace: true,
  setup: 'route.c fill',
  amount: 100_000, // routes
  quick: 10_000,
  ours: { client: 'route-nearwire.mjs dump' },
  peers: {
    'ip route show': { client: 'ip.sh dump' },
    'npm netlink': { needs: 'netlink', client: 'route-netlink.mjs dump' },
    'npm netlink, parsed': { needs: 'netlink', client: 'route-netlink.mjs dump parsed' },
    C: { client: 'route.c dump' },
    'vishvananda/netlink': { client: 'routes.go dump' },
    pyroute2: { client: 'routes.py dump', rounds: 1 },
  },
  targets: [
    { peer: 'ip route show', atMost: 1 },
    { peer: 'npm netlink', atMost: 1 / 3 },
    { peer: 'C', atMost: 2 },
  ],
}
