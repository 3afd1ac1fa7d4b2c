// sd_notify(3): what we tell is what an independent receiver hears, and what systemd-notify tells is what we hear.
import test from 'ava'
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, fstatSync, openSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { closeDescriptor, DescriptorFile, notify, SocketError, UnixDatagram } from 'nearwire'
import { abstractName, closing, isSettled, place, ran } from './helpers/sockets.mjs'
import { startCommand } from './helpers/programs.mjs'
import { hasPython } from './helpers/peers.mjs'

const hasNotify = spawnSync('systemd-notify', ['--version']).status === 0
const python = hasPython ? test.serial : test.serial.skip

/** A service manager of our own: what it hears, with who said it and what came along. */
async function manager(t, address = place(t)) {
  return closing(t, await UnixDatagram.bind(address, { passCredentials: true }))
}

/** Sets variables for the rest of the test; such tests run one after the other. */
function environment(t, variables) {
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name]
    t.teardown(() => {
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
    })
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
}

test.serial('nobody asked: false, and no error', async (t) => {
  environment(t, { NOTIFY_SOCKET: undefined, WATCHDOG_USEC: undefined })
  const calls = [
    notify.ready(), notify.reloading(), notify.stopping(), notify.status('x'), notify.mainPid(1), notify.extendTimeout(1),
    notify.watchdog(), notify.watchdogTrigger(), notify.storeFds([0]), notify.removeFds('x'), notify.barrier(), notify.send('X=1'),
  ]
  t.deepEqual([...new Set(await Promise.all(calls))], [false])
  t.is(notify.watchdogTimeout(), null)
  t.is(await notify.keepAlive(), undefined)
  environment(t, { NOTIFY_SOCKET: '', WATCHDOG_USEC: '20000' })
  t.false(await notify.watchdog())
  t.is(await notify.keepAlive(), undefined)
})

test.serial('each notification is what sd_notify(3) says, from this process, in order', async (t) => {
  const path = place(t)
  const heard = await manager(t, path)
  environment(t, { NOTIFY_SOCKET: path })
  for (const [call, expected] of [
    [() => notify.ready(), 'READY=1'],
    [() => notify.stopping(), 'STOPPING=1'],
    [() => notify.status('serving 5 %, ä'), 'STATUS=serving 5 %, ä'],
    [() => notify.mainPid(4711), 'MAINPID=4711'],
    [() => notify.extendTimeout(1500), 'EXTEND_TIMEOUT_USEC=1500000'],
    [() => notify.watchdog(), 'WATCHDOG=1'],
    [() => notify.watchdogTrigger(), 'WATCHDOG=trigger'],
    [() => notify.removeFds('old'), 'FDSTOREREMOVE=1\nFDNAME=old'],
    [() => notify.send({ READY: 1, STATUS: 'up', ERRNO: 0 }), 'READY=1\nSTATUS=up\nERRNO=0'],
    [() => notify.send('X_OWN=as it is\n'), 'X_OWN=as it is\n'],
  ]) {
    t.true(await call())
    const { data, credentials } = await heard.receive()
    t.is(String(data), expected)
    t.deepEqual(credentials, { pid: process.pid, uid: process.getuid(), gid: process.getgid() })
  }
})

test.serial('reloading tells the monotonic time', async (t) => {
  const path = place(t)
  const heard = await manager(t, path)
  environment(t, { NOTIFY_SOCKET: path })
  const before = process.hrtime.bigint() / 1000n
  await notify.reloading()
  const [, time] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(String((await heard.receive()).data))
  t.true(BigInt(time) >= before && BigInt(time) <= process.hrtime.bigint() / 1000n)
})

test.serial('an abstract name', async (t) => {
  const name = abstractName()
  const heard = await manager(t, { abstract: name })
  environment(t, { NOTIFY_SOCKET: `@${name}` })
  t.true(await notify.ready())
  t.is(String((await heard.receive()).data), 'READY=1')
})

test.serial('stored descriptors arrive, with their name, and stay open here', async (t) => {
  const path = place(t)
  const heard = await manager(t, path)
  environment(t, { NOTIFY_SOCKET: path })
  const fd = openSync('/proc/self/exe', 'r')
  t.teardown(() => closeSync(fd))
  t.true(await notify.storeFds([fd, fd], { name: 'state', poll: false }))
  const { data, fds } = await heard.receive()
  t.is(String(data), 'FDSTORE=1\nFDNAME=state\nFDPOLL=0')
  t.is(fds.length, 2)
  for (const one of fds) {
    t.is(fstatSync(one).ino, fstatSync(fd).ino)
    closeDescriptor(one)
  }
  t.true(await notify.storeFds([fd]))
  const unnamed = await heard.receive()
  t.is(String(unnamed.data), 'FDSTORE=1')
  closeDescriptor(unnamed.fds[0])
})

test.serial('the barrier falls when the manager has closed its descriptor, and not before', async (t) => {
  const path = place(t)
  const heard = await manager(t, path)
  environment(t, { NOTIFY_SOCKET: path })
  let over = false
  const waiting = notify.barrier().then((outcome) => { over = true; return outcome })
  const { data, fds } = await heard.receive()
  t.is(String(data), 'BARRIER=1')
  t.is(fds.length, 1)
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => { setImmediate(resolve) })
  t.false(over)
  closeDescriptor(fds[0])
  t.true(await waiting)
})

test.serial('a manager that does not answer: time and signal', async (t) => {
  const path = place(t)
  const heard = await manager(t, path)
  environment(t, { NOTIFY_SOCKET: path })
  const held = await Promise.all([
    t.throwsAsync(notify.barrier({ timeout: 20 }), { instanceOf: SocketError, code: 'ETIMEDOUT' }), heard.receive(),
  ])
  closeDescriptor(held[1].fds[0])
  const reason = new Error('enough')
  const controller = new AbortController()
  const waiting = notify.barrier({ signal: controller.signal })
  const { fds } = await heard.receive()
  controller.abort(reason)
  t.is(await t.throwsAsync(waiting), reason)
  closeDescriptor(fds[0])
})

test.serial('the watchdog: how often, for whom, and while alive only', async (t) => {
  const path = place(t)
  const heard = await manager(t, path)
  environment(t, { NOTIFY_SOCKET: path, WATCHDOG_USEC: '20000', WATCHDOG_PID: String(process.pid) })
  t.is(notify.watchdogTimeout(), 20)
  const controller = new AbortController()
  let asked = 0
  const began = performance.now()
  // The second time it is not alive, which is not told.
  const keeping = notify.keepAlive(() => ++asked !== 2, { signal: controller.signal })
  // An unreferenced timer needs somebody else to keep the process alive.
  for (let count = 0; count < 3; count++) t.is(String((await heard.receive()).data), 'WATCHDOG=1')
  t.true(asked >= 4)
  t.true(performance.now() - began >= 29, 'three times 10 ms')
  controller.abort()
  await keeping
  environment(t, { WATCHDOG_PID: '1' })
  t.is(notify.watchdogTimeout(), null)
  environment(t, { WATCHDOG_PID: undefined })
  t.is(notify.watchdogTimeout(), 20)
  environment(t, { WATCHDOG_USEC: '0' })
  t.throws(() => notify.watchdogTimeout(), { code: 'ERR_INVALID_ARG_VALUE', message: /WATCHDOG_USEC/ })
})

/** Sends a manager as much as fits. */
function fill(t, path) {
  const filler = closing(t, UnixDatagram.unbound())
  let full
  while ((full = filler.send('full', { to: path })) === undefined) continue
  full.catch(() => {})
}

test.serial('a manager that does not read: the time of a barrier is over nevertheless', async (t) => {
  const path = place(t)
  await manager(t, path)
  fill(t, path)
  environment(t, { NOTIFY_SOCKET: path })
  await t.throwsAsync(notify.barrier({ timeout: 20 }), { instanceOf: SocketError, code: 'ETIMEDOUT', message: /20 ms/ })
})

test.serial('a manager that does not read holds neither the process nor who wants keepAlive to end', async (t) => {
  const path = place(t)
  await manager(t, path)
  fill(t, path)
  environment(t, { NOTIFY_SOCKET: path, WATCHDOG_USEC: '20000', WATCHDOG_PID: undefined })
  const { stdout, stderr, code } = await ran(t, `
    import { notify } from 'nearwire'
    notify.keepAlive(() => { console.log('asked'); return true })
  `)
  t.is(code, 0, stderr)
  t.is(stdout, 'asked\n')
  const controller = new AbortController()
  const keeping = notify.keepAlive(undefined, { signal: controller.signal })
  t.false(await isSettled(keeping))
  controller.abort()
  await keeping
})

test.serial('the time that isAlive takes is no part of the pause', async (t) => {
  const path = place(t)
  const heard = await manager(t, path)
  environment(t, { NOTIFY_SOCKET: path, WATCHDOG_USEC: '1000000', WATCHDOG_PID: undefined })
  const controller = new AbortController()
  const keeping = notify.keepAlive(() => delay(750, true), { signal: controller.signal })
  await heard.receive()
  const first = performance.now()
  await heard.receive()
  const pause = performance.now() - first
  t.true(pause < 1000, `${pause} ms`)
  controller.abort()
  await keeping
})

test.serial('a watchdog of months is told no more often than a timer can wait', async (t) => {
  const path = place(t)
  const heard = await manager(t, path)
  const { stdout, stderr, code } = await ran(t, `
    import { notify } from 'nearwire'
    process.on('warning', ({ name }) => console.log(name))
    notify.keepAlive()
  `, { env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: String(60 * 86_400e6) } })
  t.is(code, 0, stderr)
  t.is(stdout, '')
  t.is(String((await heard.receive()).data), 'WATCHDOG=1')
})

test.serial('what keepAlive finds out is thrown', async (t) => {
  environment(t, { NOTIFY_SOCKET: place(t), WATCHDOG_USEC: '20000', WATCHDOG_PID: undefined })
  await t.throwsAsync(notify.keepAlive(() => { throw new Error('broken') }), { message: 'broken' })
  await t.throwsAsync(notify.keepAlive(), { instanceOf: SocketError, code: 'ENOENT' })
})

test.serial('nobody there, and names that mean nothing', async (t) => {
  environment(t, { NOTIFY_SOCKET: place(t) })
  await t.throwsAsync(notify.ready(), { instanceOf: SocketError, code: 'ENOENT' })
  for (const value of ['relative/path', '@', 'vsock:', 'vsock:1', 'vsock:x:1', 'vsock:4294967295:1', 'tcp:1:1']) {
    environment(t, { NOTIFY_SOCKET: value })
    await t.throwsAsync(notify.ready(), { code: 'ERR_INVALID_ARG_VALUE', message: /NOTIFY_SOCKET/ }, value)
  }
})

test.serial('bad arguments', async (t) => {
  environment(t, { NOTIFY_SOCKET: undefined })
  for (const [call, expected] of [
    [() => notify.status('two\nlines'), { code: 'ERR_INVALID_ARG_VALUE', message: /STATUS/ }],
    [() => notify.send({ 'lower case': 1 }), { code: 'ERR_INVALID_ARG_VALUE' }],
    [() => notify.send({ X: null }), { code: 'ERR_INVALID_ARG_TYPE' }],
    [() => notify.send(''), { code: 'ERR_INVALID_ARG_VALUE', message: /state/ }],
    [() => notify.send(5), { code: 'ERR_INVALID_ARG_TYPE' }],
    [() => notify.storeFds([]), { code: 'ERR_INVALID_ARG_VALUE' }],
    [() => notify.storeFds([0], { name: 'a:b' }), { code: 'ERR_INVALID_ARG_VALUE' }],
    [() => notify.storeFds([0], { name: 'x'.repeat(256) }), { code: 'ERR_INVALID_ARG_VALUE' }],
    [() => notify.removeFds(''), { code: 'ERR_INVALID_ARG_VALUE' }],
    [() => notify.send('X=1', { fds: [-1] }), { code: 'ERR_OUT_OF_RANGE' }],
  ]) await t.throwsAsync(async () => call(), expected)
  t.throws(() => notify.mainPid(0), { code: 'ERR_OUT_OF_RANGE' })
})

python('an independent receiver in Python hears it, with the sender and the descriptor', async (t) => {
  const path = place(t)
  const receiver = startCommand(t, 'python3', '-uc', `
import array, os, socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1])
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
print('ready')
for _ in range(3):
    data, ancillary, flags, address = s.recvmsg(4096, 1024)
    said = data.decode().replace(chr(10), '|')
    for level, kind, value in ancillary:
        if kind == socket.SCM_CREDENTIALS: said += ' from %d' % struct.unpack('3i', value)[0]
        if kind == socket.SCM_RIGHTS:
            fd = array.array('i', value)[0]
            if said.startswith('FDSTORE'): said += ' holding ' + os.pread(fd, 100, 0).decode()
            os.close(fd)
    print(said)
`, path)
  t.is(await receiver.line(), 'ready')
  const program = await ran(t, `
    import { createMemfd, notify } from 'nearwire'
    await notify.send({ READY: 1, STATUS: 'up' })
    await notify.storeFds([createMemfd('what I knew')], { name: 'memory' })
    console.log(process.pid, await notify.barrier())
  `, { env: { NOTIFY_SOCKET: path } })
  t.is(program.code, 0, program.stderr)
  const [, pid] = /^(\d+) true\n$/.exec(program.stdout)
  t.is(await receiver.line(), `READY=1|STATUS=up from ${pid}`)
  t.regex(await receiver.line(), new RegExp(`^FDSTORE=1\\|FDNAME=memory( from ${pid}| holding what I knew){2}$`))
  t.regex(await receiver.line(), new RegExp(`^BARRIER=1.* from ${pid}`))
})

if (hasNotify) {
  test.serial('the real systemd-notify tells us, and waits at the barrier that we close', async (t) => {
    const path = place(t)
    const heard = await manager(t, path)
    const child = spawn('systemd-notify', ['--ready', '--status=as systemd says it', 'X_MORE=1'], {
      env: { ...process.env, NOTIFY_SOCKET: path }, stdio: ['ignore', 'inherit', 'inherit'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    const { data, credentials } = await heard.receive()
    t.deepEqual(String(data).trim().split('\n'), ['READY=1', 'STATUS=as systemd says it', 'X_MORE=1'])
    t.true([child.pid, process.pid].includes(credentials.pid))
    t.is(credentials.uid, process.getuid())
    const barrier = await heard.receive()
    t.is(String(barrier.data), 'BARRIER=1')
    t.is(child.exitCode, null)
    const exit = new Promise((resolve) => { child.once('exit', resolve) })
    await DescriptorFile.fromFd(barrier.fds[0]).close()
    t.is(await exit, 0)
  })
} else {
  test.skip('the real systemd-notify: not installed', () => {})
}

const vsock = hasPython ? spawnSync('python3', ['-c', `
import socket
server = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM); server.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY)); server.listen()
client = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM); client.settimeout(1); client.connect((1, server.getsockname()[1]))
`]).status : 1

if (vsock === 0) {
  for (const form of ['vsock', 'vsock-stream', 'vsock-seqpacket']) {
    test.serial(`${form}:CID:PORT`, async (t) => {
      const receiver = startCommand(t, 'python3', '-uc', `
import socket, sys
kind = socket.SOCK_STREAM if sys.argv[1] == 'vsock-stream' else socket.SOCK_SEQPACKET
s = socket.socket(socket.AF_VSOCK, kind); s.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY)); s.listen()
print(s.getsockname()[1])
c, address = s.accept()
print(c.recv(4096).decode(), c.recv(4096).decode() == '', address[1] < 1024)
`, form)
      environment(t, { NOTIFY_SOCKET: `${form}:1:${await receiver.line()}` })
      t.true(await notify.ready())
      t.is(await receiver.line(), `READY=1 True ${process.getuid() === 0 ? 'True' : 'False'}`)
      await t.throwsAsync(notify.storeFds([0]), { code: 'EOPNOTSUPP' })
    })
  }
} else {
  test.skip('vsock:CID:PORT: this kernel has no vsock_loopback; npm run test:vm has one that does', () => {})
}

test.serial('vsock to nobody is an error that says so', async (t) => {
  environment(t, { NOTIFY_SOCKET: 'vsock-stream:1:4711' })
  const error = await t.throwsAsync(notify.ready(), { instanceOf: SocketError })
  t.true(['ETIMEDOUT', 'ECONNRESET', 'ENODEV', 'EAFNOSUPPORT', 'ENETUNREACH', 'ECONNREFUSED'].includes(error.code), error.code)
  await t.throwsAsync(notify.storeFds([0]), { code: 'EOPNOTSUPP' })
})
