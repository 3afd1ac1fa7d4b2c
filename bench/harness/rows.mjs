import { readdir } from 'node:fs/promises'

/** The order in which rows are measured and shown. */
const order = [
  'stream-rtt-64',
  'stream-rtt-64-busy',
  'framed-send-64',
  'framed-receive-64',
  'framed-receive-64-batch',
  'framed-both-64',
  'stream-bulk-64k',
  'connect-accept-close',
  'echo-1000-connections',
  'http-requests',
  'idle-connection-memory',
  'import-time',
  'datagram-64',
  'datagram-64-open',
  'datagram-rtt-64',
  'seqpacket-64',
  'seqpacket-rtt-64',
  'fd-passing',
  'netlink-request',
  'netlink-batch',
  'netlink-events',
  'netlink-dump-routes',
]

export const position = (row) => (order.indexOf(row) + order.length + 1) % (order.length + 1)

/** The rows of `rows/`, or those of them that were asked for. */
export async function loadRows(names) {
  const files = await readdir(new URL('../rows/', import.meta.url))
  const known = files.map((file) => file.replace(/\.mjs$/, '')).sort((a, b) => position(a) - position(b))
  for (const name of names) {
    if (!known.includes(name)) throw new Error(`no such row: ${name}; there are ${known.join(', ')}`)
  }
  const wanted = names.length > 0 ? known.filter((name) => names.includes(name)) : known
  return Promise.all(
    wanted.map(async (row) => ({ row, ...(await import(`../rows/${row}.mjs`)).default })),
  )
}
