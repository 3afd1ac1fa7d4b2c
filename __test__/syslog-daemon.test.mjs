// examples/syslog.mjs with a real syslog daemon on a socket of the test's own.
import test from 'ava'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startCommand } from './helpers/programs.mjs'
import { directory, until } from './helpers/sockets.mjs'

const rsyslogd = ['/usr/sbin/rsyslogd', '/sbin/rsyslogd'].find((path) => existsSync(path))
const example = ['env', process.execPath, 'examples/syslog.mjs']

/** rsyslogd with nothing of the machine's: its socket and its log file are in a folder of their own. */
async function daemon(t) {
  const folder = directory(t)
  const [socket, file] = [join(folder, 'log'), join(folder, 'messages')]
  writeFileSync(join(folder, 'rsyslog.conf'), `
    global(workDirectory="${folder}")
    module(load="imuxsock" SysSock.Use="off")
    input(type="imuxsock" Socket="${socket}" Annotate="on" RateLimit.Interval="0")
    *.* action(type="omfile" file="${file}" template="RSYSLOG_TraditionalFileFormat" flushOnTXEnd="on")
  `)
  const process = startCommand(t, rsyslogd, '-n', '-f', join(folder, 'rsyslog.conf'), '-i', join(folder, 'pid'))
  await until(() => {
    if (process.process.exitCode !== null) throw new Error(process.errors())
    return existsSync(socket) && sends(socket)
  })
  const read = () => (existsSync(file) ? readFileSync(file, 'utf8') : '').split('\n').filter((line) => line.includes('nearwire['))
  return { socket, read, process }
}

/** Whether somebody receives there. */
function sends(socket) {
  return spawnSync('env', [`SYSLOG_SOCKET=${socket}`, ...example.slice(1), 'are you there?']).status === 0
}

if (rsyslogd === undefined) {
  test.skip('a real syslog daemon: rsyslogd is not installed', () => {})
} else {
  test('a message, with the process that the kernel says sent it', async (t) => {
    const { socket, read } = await daemon(t)
    const sender = startCommand(t, ...example.slice(0, 1), `SYSLOG_SOCKET=${socket}`, ...example.slice(1), 'hello', 'from', 'Node, ä')
    t.is(await sender.exit, 0, sender.errors())
    await until(() => read().some((line) => line.includes('hello from Node, ä')))
    const line = read().find((each) => each.includes('hello'))
    t.true(line.includes(`nearwire[${sender.process.pid}]: hello from Node, ä`), line)
    t.true(line.includes(`_PID=${sender.process.pid} _UID=${process.getuid()}`), line)
  })

  test('more lines than the daemon\'s queue holds, all of them and in order', async (t) => {
    const { socket, read, process: rsyslog } = await daemon(t)
    // It does not read for a while: the sender has to wait, and must not lose or spin.
    rsyslog.process.kill('SIGSTOP')
    const sender = startCommand(t, 'env', `SYSLOG_SOCKET=${socket}`, ...example.slice(1))
    const lines = Array.from({ length: 2000 }, (_, index) => `line ${index} of many`)
    sender.process.stdin.end(lines.join('\n'))
    await once(sender.process.stdin, 'finish')
    t.is(sender.process.exitCode, null)
    rsyslog.process.kill('SIGCONT')
    t.is(await sender.exit, 0, sender.errors())
    const many = () => read().map((line) => /line \d+ of many/.exec(line)?.[0]).filter(Boolean)
    await until(() => many().length >= lines.length)
    t.deepEqual(many(), lines)
  })
}
