// A network namespace that no one else uses: the netlink rows add a hundred
// thousand routes and must never do so to the machine's own.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'

const root = process.getuid() === 0

export async function makeNamespace() {
  const user = root ? [] : ['--user', '--map-root-user']
  // `cat` holds the namespace until its standard input ends, also when this process is killed.
  const holder = spawn('unshare', [...user, '--net', 'sh', '-c', 'ip link set lo up && echo ready && exec cat'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let reason = ''
  holder.stderr.on('data', (data) => (reason += data))
  const [line] = await Promise.race([once(holder.stdout, 'data'), once(holder, 'close').then(() => [''])])
  if (`${line}`.trim() !== 'ready') throw new Error(`no network namespace: ${reason.trim()}`)
  const users = root ? [] : ['--user', '--preserve-credentials']
  return {
    /** What to put before a command, so that it runs inside. */
    enter: ['nsenter', ...users, '--net', '--target', `${holder.pid}`],
    run(command) {
      return promisify(execFile)(this.enter[0], [...this.enter.slice(1), ...command])
    },
    async close() {
      holder.stdin.end()
      if (holder.exitCode === null) await once(holder, 'close')
    },
  }
}
