const client = 'load.c http'

export default {
  title: "requests to Node's http server on 50 connections kept open, driven by a client in C, two cores; ours through toDuplex()",
  unit: 'requests/s',
  higherIsBetter: true,
  cores: 2,
  amount: 1500,
  quick: 200,
  ours: { server: 'http.mjs duplex', client },
  variants: { 'toNetSocket()': { server: 'http.mjs net-socket', client } },
  peers: { 'http over net': { server: 'http.mjs net', client } },
  targets: [
    { peer: 'http over net', atLeast: 0.85 },
    { variant: 'toNetSocket()', peer: 'http over net', atLeast: 1 },
  ],
}
