// Memory files: mapped where nothing can pull them away, copied where something could.
import test from 'ava'
import { execFileSync } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, readFileSync, readlinkSync, writeFileSync, writeSync } from 'node:fs'
import { addSeals, closeDescriptor, createMemfd, memoryFromFd, SocketError, sealsOf } from 'nearwire'
import { pair, place, ran } from './helpers/sockets.mjs'
import { hasPython } from './helpers/peers.mjs'

const ALL = ['F_SEAL_SEAL', 'F_SEAL_SHRINK', 'F_SEAL_GROW', 'F_SEAL_WRITE']
const text = (buffer) => Buffer.from(buffer).toString()

function memfd(t, ...args) {
  const fd = createMemfd(...args)
  t.teardown(() => closeDescriptor(fd))
  return fd
}

test('bytes: finished, and sealed for good', (t) => {
  const fd = memfd(t, 'content', { name: 'mine' })
  t.deepEqual(sealsOf(fd), ALL)
  t.is(readlinkSync(`/proc/self/fd/${fd}`), '/memfd:mine (deleted)')
  t.is(text(memoryFromFd(fd)), 'content')
  t.throws(() => writeSync(fd, 'x'), { code: 'EPERM' })
  t.throws(() => ftruncateSync(fd, 0), { code: 'EPERM' })
  t.throws(() => addSeals(fd, ['F_SEAL_FUTURE_WRITE']), { instanceOf: SocketError, code: 'EPERM' })
  t.is(memoryFromFd(memfd(t, '')).byteLength, 0)
  const flags = Number.parseInt(/^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))[1], 8)
  t.is(flags & 0o2000000, 0o2000000, 'closed on exec')
})

test('a sealed one is mapped, not copied, outlives its descriptor, and keeps changes to itself', (t) => {
  const fd = createMemfd(Buffer.alloc(3_000_000, 'm'), { name: 'mapped-one' })
  const buffer = memoryFromFd(fd)
  t.true(readFileSync('/proc/self/maps', 'utf8').includes('memfd:mapped-one'))
  new Uint8Array(buffer)[1] = 0x58
  t.is(text(memoryFromFd(fd).slice(0, 3)), 'mmm')
  closeDescriptor(fd)
  t.is(text(buffer.slice(0, 3)), 'mXm')
  t.is(buffer.byteLength, 3_000_000)
})

test('a mapping is given back when nobody has the buffer any more', async (t) => {
  const { stdout, stderr, code } = await ran(t, `
    import { readFileSync } from 'node:fs'
    import { closeDescriptor, createMemfd, memoryFromFd } from 'nearwire'
    const mapped = () => readFileSync('/proc/self/maps', 'utf8').includes('memfd:collected')
    const map = () => { const fd = createMemfd('x'.repeat(10000), { name: 'collected' }); const size = memoryFromFd(fd).byteLength; closeDescriptor(fd); return size }
    map()
    console.log(mapped())
    for (let round = 0; mapped() && round < 500; round++) { global.gc(); await new Promise((resolve) => setTimeout(resolve, 2)) }
    console.log(mapped())
  `, { execArgv: ['--expose-gc'] })
  t.is(code, 0, stderr)
  t.is(stdout, 'true\nfalse\n')
})

test('an unsealed one is copied, so that cutting it off harms nobody', (t) => {
  const path = place(t, 'file')
  writeFileSync(path, 'x'.repeat(100_000))
  const fd = openSync(path, 'r+')
  t.teardown(() => closeSync(fd))
  t.is(sealsOf(fd), null)
  const buffer = memoryFromFd(fd)
  ftruncateSync(fd, 0)
  t.is(new Uint8Array(buffer)[99_999], 0x78)
  t.is(memoryFromFd(fd).byteLength, 0)
})

test('the kernel\'s own files say that they are empty, and are read to their end', (t) => {
  for (const path of ['/proc/version', '/proc/kallsyms', '/proc/sys/kernel/ostype']) {
    const fd = openSync(path)
    t.teardown(() => closeSync(fd))
    t.true(text(memoryFromFd(fd)) === readFileSync(path, 'utf8'), path)
    t.throws(() => memoryFromFd(fd, { maxLength: 3 }), { code: 'EFBIG', message: /maxLength: 3/ })
    t.throws(() => memoryFromFd(fd, { shared: true }), { code: 'EINVAL', message: /F_SEAL_SHRINK/ })
  }
  t.is(memoryFromFd(memfd(t, 0), { shared: true }).byteLength, 0)
})

test('shared memory: both sides see what either writes', (t) => {
  const fd = memfd(t, 8192)
  t.deepEqual(sealsOf(fd), ['F_SEAL_SHRINK', 'F_SEAL_GROW'])
  const [one, other] = [new Uint8Array(memoryFromFd(fd, { shared: true })), new Uint8Array(memoryFromFd(fd, { shared: true }))]
  one[5000] = 42
  t.is(other[5000], 42)
  writeSync(fd, 'written', 0, 'utf8')
  t.is(text(one.slice(0, 7)), 'written')
  if (hasPython) {
    execFileSync('python3', ['-c', 'import mmap; m = mmap.mmap(3, 8192); m[100] = m[5000] + 1'], { stdio: ['ignore', 'inherit', 'inherit', fd] })
    t.is(one[100], 43)
  }
  t.throws(() => addSeals(fd, ['F_SEAL_WRITE']), { code: 'EBUSY' })
})

test('sharing needs F_SEAL_SHRINK and a descriptor that can be written to', (t) => {
  const path = place(t, 'file')
  writeFileSync(path, 'content')
  const file = openSync(path, 'r+')
  t.teardown(() => closeSync(file))
  t.throws(() => memoryFromFd(file, { shared: true }), { code: 'EINVAL', message: /F_SEAL_SHRINK/ })
  t.throws(() => addSeals(file, ['F_SEAL_SHRINK']), { code: 'EINVAL' })
  const fd = memfd(t, 100)
  const readOnly = openSync(`/proc/self/fd/${fd}`, 'r')
  t.teardown(() => closeSync(readOnly))
  t.throws(() => memoryFromFd(readOnly, { shared: true }), { code: 'EACCES' })
  t.throws(() => memoryFromFd(memfd(t, 'sealed'), { shared: true }), { code: 'EPERM' })
  t.is(memoryFromFd(readOnly).byteLength, 100)
})

test('one that is too large is an error and no allocation', (t) => {
  const fd = memfd(t, 2 ** 40)
  t.throws(() => memoryFromFd(fd), { code: 'EFBIG', message: /1099511627776/ })
  t.throws(() => memoryFromFd(memfd(t, 'four'), { maxLength: 3 }), { code: 'EFBIG' })
})

test('what is not a file, and bad arguments', (t) => {
  t.throws(() => memoryFromFd(pair(t)[0].fd), { code: 'EINVAL', message: /not of a file/ })
  t.throws(() => memoryFromFd(1_000_000), { code: 'EBADF' })
  t.throws(() => sealsOf(1_000_000), { code: 'EBADF' })
  t.throws(() => createMemfd(-1), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => createMemfd(null), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => createMemfd('x', { name: 'a\0b' }), { code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => createMemfd('x', { name: 'n'.repeat(250) }), { code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => addSeals(3, ['F_SEAL_NOTHING']), { code: 'ERR_INVALID_ARG_VALUE', message: /F_SEAL_SHRINK/ })
  t.throws(() => memoryFromFd(3, { shared: 1 }), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('through a socket: the receiver maps what the sender finished', async (t) => {
  const [left, right] = pair(t)
  const fd = createMemfd('through the kernel')
  await left.sendMessage({ data: '!', fds: [fd] })
  closeDescriptor(fd)
  const { fds } = await right.receiveMessage()
  t.is(text(memoryFromFd(fds[0])), 'through the kernel')
  closeDescriptor(fds[0])
})
