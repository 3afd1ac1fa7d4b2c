// Activation by the real systemd-socket-activate, and by what only a test would do.
import test from 'ava'
import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { lstatSync, openSync, closeSync } from 'node:fs'
import net from 'node:net'
import { UnixDatagram, UnixSeqpacket, UnixSeqpacketListener, UnixListener, UnixStream } from 'nearwire'
import { closing, pair, place, readAll, root, until } from './helpers/sockets.mjs'

const hasActivate = spawnSync('systemd-socket-activate', ['--version']).status === 0
const systemd = hasActivate ? test : test.skip
const why = hasActivate ? '' : ' (skipped: systemd-socket-activate is not installed)'

/** Runs a module's source under systemd-socket-activate, once it listens. */
async function activate(t, options, source) {
  const child = spawn('systemd-socket-activate', [
    '-E', 'PATH', ...options, process.execPath, '--input-type=module', '-e', source,
  ], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let stderr = ''
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text) => { stdout += text })
  child.stderr.setEncoding('utf8').on('data', (text) => { stderr += text })
  const ended = once(child, 'close')
  await until(() => /Listening on/.test(stderr) || child.exitCode !== null)
  return {
    process: child,
    async output() {
      await ended
      return { stdout, stderr }
    },
  }
}

const REPORT = `
  import { activation } from 'nearwire'
  const before = process.env.LISTEN_FDS
  const found = activation.listeners()
  const describe = ({ name, fd, listener }) => [name, fd, listener.constructor.name]
`

systemd(`a stream listener with a name, which serves whoever came and does not unlink the socket${why}`, async (t) => {
  const path = place(t)
  const service = await activate(t, ['-l', path, '--fdname=web'], `${REPORT}
    const [{ listener }] = found
    const stream = await listener.accept()
    await stream.write(JSON.stringify({ found: found.map(describe), again: activation.listeners().length, before,
      left: Object.keys(process.env).filter((name) => name.startsWith('LISTEN_')), address: listener.address }))
    await stream.close()
    await listener.close()
  `)
  const client = closing(t, await UnixStream.connect(path))
  const answer = JSON.parse(String(await readAll(client)))
  t.deepEqual(answer, {
    found: [['web', 3, 'UnixListener']], again: 0, before: '1', left: [], address: { path },
  })
  await service.output()
  t.true(lstatSync(path).isSocket())
})

systemd(`several, of which one is TCP, in order and with their names${why}`, async (t) => {
  const [one, two] = [place(t), place(t)]
  // A port that is free at this moment.
  const probe = net.createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  await new Promise((resolve) => { probe.close(resolve) })
  const service = await activate(t, ['-l', one, '-l', `127.0.0.1:${port}`, '-l', two, '--fdname=a:tcp:b'], `${REPORT}
    const [a, tcp, b] = found
    tcp.listener.on('connection', (socket) => socket.end('over TCP'))
    console.log(JSON.stringify(found.map(describe)))
    for (const { listener } of [a, b]) {
      const stream = await listener.accept()
      await stream.write(JSON.stringify(listener.address))
      await Promise.all([stream.close(), listener.close()])
    }
    await new Promise((resolve) => tcp.listener.once('connection', resolve))
    tcp.listener.close()
  `)
  for (const path of [one, two]) {
    const client = await UnixStream.connect(path)
    t.deepEqual(JSON.parse(String(await readAll(client))), { path })
    await client.close()
  }
  const socket = net.connect(port, '127.0.0.1')
  let text = ''
  for await (const chunk of socket) text += chunk
  t.is(text, 'over TCP')
  const { stdout } = await service.output()
  t.deepEqual(JSON.parse(stdout), [['a', 3, 'UnixListener'], ['tcp', 4, 'Server'], ['b', 5, 'UnixListener']])
})

systemd(`a datagram socket, with the message that woke the service${why}`, async (t) => {
  const path = place(t)
  await activate(t, ['-d', '-l', path], `${REPORT}
    const [{ listener }] = found
    const { data, from } = await listener.receive()
    await listener.send(JSON.stringify([String(data), found.map(describe)]), { to: from })
    await listener.flush()
  `)
  const client = closing(t, await UnixDatagram.bind(place(t)))
  await client.send('wake up', { to: path })
  t.deepEqual(JSON.parse(String((await client.receive()).data)), ['wake up', [['unknown', 3, 'UnixDatagram']]])
})

systemd(`a seqpacket listener${why}`, async (t) => {
  const path = place(t)
  await activate(t, ['--seqpacket', '-l', path], `${REPORT}
    const socket = await found[0].listener.accept()
    await socket.send(JSON.stringify(found.map(describe)))
    await socket.close()
  `)
  const client = closing(t, await UnixSeqpacket.connect(path))
  t.deepEqual(JSON.parse(String((await client.receive()).data)), [['unknown', 3, 'UnixSeqpacketListener']])
})

systemd(`UDP${why}`, async (t) => {
  const probe = createSocket('udp4').bind(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  await new Promise((resolve) => { probe.close(resolve) })
  await activate(t, ['-d', '-l', `127.0.0.1:${port}`], `${REPORT}
    const { listener } = found[0]
    listener.on('message', (data, { port }) => {
      listener.send(data + ' ' + JSON.stringify(found.map(describe)), port, '127.0.0.1', () => listener.close())
    })
  `)
  const client = createSocket('udp4')
  t.teardown(() => client.close())
  client.send('ping', port, '127.0.0.1')
  const [data] = await once(client, 'message')
  t.is(String(data), 'ping [["unknown",3,"Socket"]]')
})

systemd(`Accept=yes: a process a connection, which it gets connected${why}`, async (t) => {
  const path = place(t)
  await activate(t, ['--accept', '-l', path], `${REPORT}
    const [{ listener: stream }] = found
    await stream.write(JSON.stringify(found.map(describe)))
    await stream.close()
  `)
  for (let round = 0; round < 2; round++) {
    const client = await UnixStream.connect(path)
    const [[name, fd, type]] = JSON.parse(String(await readAll(client)))
    t.deepEqual([fd, type], [3, 'UnixStream'])
    t.is(typeof name, 'string')
    await client.close()
  }
})

systemd(`inetd: the connection on standard input, and console.log() does not speak to the peer${why}`, async (t) => {
  const path = place(t)
  await activate(t, ['--accept', '--inetd', '-l', path], `
    import { activation } from 'nearwire'
    const stream = activation.inetd()
    console.log('this is nobody\\'s business')
    const { data } = await stream.receiveMessage()
    await stream.write([data, stream.constructor.name, stream.fd > 2, activation.listeners().length].join())
    await stream.close()
    setInterval(() => {}, 1000)
  `)
  const client = closing(t, await UnixStream.connect(path))
  await client.write('hello')
  t.is(String(await readAll(client)), 'hello,UnixStream,true,0', 'and closing it ended the connection, though the process lives')
})

/** Runs a source with descriptors from 3 on; `LISTEN_PID: 'self'` is its own pid. */
async function started(t, stdio, { LISTEN_PID, ...env }, source) {
  const pid = LISTEN_PID === 'self' ? 'export LISTEN_PID=$$;' : LISTEN_PID === undefined ? '' : `export LISTEN_PID=${LISTEN_PID};`
  const child = spawn('sh', ['-c', `${pid} exec "$@"`, 'sh', process.execPath, '--input-type=module', '-e', source], {
    cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe', ...stdio],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text) => { stdout += text })
  child.stderr.setEncoding('utf8').on('data', (text) => { stderr += text })
  await once(child, 'close')
  if (stderr !== '') t.log(stderr)
  return stdout.trim()
}

const TELL = `
  import { activation } from 'nearwire'
  try {
    console.log(JSON.stringify(activation.listeners().map(({ name, fd, listener }) => [name, fd, listener?.constructor.name ?? null])))
  } catch (error) {
    console.log(error.code, error.message)
  }
  console.log(process.env.LISTEN_FDS)
  process.exit(0)
`

test('without activation, or with somebody else\'s, there is nothing', async (t) => {
  t.is(await started(t, [], {}, TELL), '[]\nundefined')
  t.is(await started(t, [], { LISTEN_PID: '1', LISTEN_FDS: '1' }, TELL), '[]\n1')
  t.is(await started(t, [], { LISTEN_FDS: '1' }, TELL), '[]\n1')
  t.is(await started(t, [], { LISTEN_PID: 'self', LISTEN_FDS: '0' }, TELL), '[]\n0')
})

test('variables that make no sense are named', async (t) => {
  const listener = closing(t, await UnixListener.listen(place(t)))
  for (const [env, expected] of [
    [{ LISTEN_PID: 'nobody', LISTEN_FDS: '1' }, /^ERR_INVALID_ARG_VALUE LISTEN_PID must be .* 'nobody'/],
    [{ LISTEN_PID: 'self', LISTEN_FDS: '-1' }, /^ERR_INVALID_ARG_VALUE LISTEN_FDS must be .* '-1'/],
    [{ LISTEN_PID: 'self', LISTEN_FDS: '1', LISTEN_FDNAMES: 'a:b' }, /^ERR_INVALID_ARG_VALUE LISTEN_FDNAMES must be as many names/],
  ]) t.regex(await started(t, [listener.fd], env, TELL), expected)
  t.regex(await started(t, [listener.fd], { LISTEN_PID: 'self', LISTEN_FDS: '900' }, TELL), /^EBADF .*\n900$/)
})

test('a stream that neither listens nor is connected is refused', async (t) => {
  // A socket of node:net that is bound only exists for a moment; Python holds one.
  const script = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); os.dup2(s.fileno(), 3); os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='odd')
os.execv(sys.argv[2], sys.argv[2:])`
  const { stdout, error } = spawnSync('python3', ['-c', script, place(t), process.execPath, '--input-type=module', '-e', TELL], { cwd: root, encoding: 'utf8' })
  if (error !== undefined) {
    t.log('skipped: python3 is not installed')
    t.pass()
    return
  }
  t.regex(stdout, /^EINVAL .*descriptor 3 \(odd\) is a SOCK_STREAM socket that neither listens nor is connected\n1$/m)
})

test('every kind at once, as it is passed', async (t) => {
  const file = openSync('/proc/self/exe', 'r')
  t.teardown(() => closeSync(file))
  const stdio = [
    closing(t, await UnixListener.listen(place(t))).fd,
    closing(t, await UnixSeqpacketListener.listen(place(t))).fd,
    closing(t, UnixDatagram.unbound()).fd,
    pair(t)[0].fd,
    closing(t, UnixSeqpacket.pair()[0]).fd,
    file,
  ]
  const names = 'listener:packets:datagrams:stream:seqpacket:file'
  const output = await started(t, stdio, { LISTEN_PID: 'self', LISTEN_FDS: '6', LISTEN_FDNAMES: names }, TELL)
  t.deepEqual(JSON.parse(output.split('\n')[0]), [
    ['listener', 3, 'UnixListener'], ['packets', 4, 'UnixSeqpacketListener'], ['datagrams', 5, 'UnixDatagram'],
    ['stream', 6, 'UnixStream'], ['seqpacket', 7, 'UnixSeqpacket'], ['file', 8, 'DescriptorFile'],
  ])
})

test('bare descriptors are closed on exec, and the environment may stay', async (t) => {
  const listener = closing(t, await UnixListener.listen(place(t)))
  const output = await started(t, [listener.fd], { LISTEN_PID: 'self', LISTEN_FDS: '1', LISTEN_FDNAMES: 'http' }, `
    import { readFileSync } from 'node:fs'
    import { activation } from 'nearwire'
    const flags = (fd) => Number.parseInt(/^flags:\\s+(\\d+)/m.exec(readFileSync('/proc/self/fdinfo/' + fd, 'utf8'))[1], 8) & 0o2000000
    const found = activation.descriptors({ unsetEnvironment: false })
    console.log(JSON.stringify([found, flags(3) !== 0, process.env.LISTEN_FDS, activation.descriptors().length, process.env.LISTEN_FDS]))
  `)
  t.deepEqual(JSON.parse(output), [[{ name: 'http', fd: 3 }], true, '1', 1, null])
})

test('inetd without a socket on standard input', async (t) => {
  const output = await started(t, [], {}, `
    import { activation } from 'nearwire'
    try { activation.inetd() } catch (error) { console.log(error.code, error.message) }
  `)
  t.regex(output, /^ENOTSOCK .*standard input is no socket: character device/)
})
