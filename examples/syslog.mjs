// Writes lines to the system log, as syslog(3) does.
//   node examples/syslog.mjs 'a message'                    to /dev/log
//   SYSLOG_SOCKET=/path node examples/syslog.mjs < file     line by line, to a socket of your choice

import { createInterface } from 'node:readline'
import { UnixDatagram } from 'nearwire'

const USER = 1
const INFO = 6
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const log = UnixDatagram.unbound()
log.connect(process.env.SYSLOG_SOCKET ?? '/dev/log')

/** One message, one datagram. When the daemon does not keep up, this waits for it: nothing is lost. */
async function syslog(message) {
  const now = new Date()
  const time = `${MONTHS[now.getMonth()]} ${String(now.getDate()).padStart(2)} ${now.toTimeString().slice(0, 8)}`
  await log.send(`<${USER * 8 + INFO}>${time} nearwire[${process.pid}]: ${message}`)
}

const messages = process.argv.slice(2)
if (messages.length > 0) await syslog(messages.join(' '))
else for await (const line of createInterface({ input: process.stdin })) await syslog(line)

// What was sent in the same turn of the event loop leaves together, at the latest now.
await log.close()
