// A Wayland client: draws a picture into memory that it shares with the compositor.
//   node examples/wayland.mjs [--fullscreen]     (in a Wayland session, or with WAYLAND_DISPLAY and XDG_RUNTIME_DIR set)
// Pixels never go through the socket: the compositor gets the descriptor of a memory file (memfd_create(2)), and maps it.

import { join } from 'node:path'
import { closeDescriptor, createMemfd, memoryFromFd, UnixStream } from 'nearwire'

const display = process.env.WAYLAND_DISPLAY ?? 'wayland-0'
const stream = await UnixStream.connect(join(process.env.XDG_RUNTIME_DIR ?? '/run', display))

// --- The wire: an object's number, a length and an opcode, arguments of 32 bits in the machine's own byte order.
const DISPLAY = 1
let lastObject = DISPLAY
let unsent = []

const string = (text) => {
  const bytes = Buffer.alloc(4 + Math.ceil((text.length + 1) / 4) * 4)
  bytes.writeUInt32LE(text.length + 1)
  bytes.write(text, 4)
  return bytes
}

function request(object, opcode, ...args) {
  const body = Buffer.concat(args.map((value) => {
    if (typeof value === 'string') return string(value)
    const bytes = Buffer.alloc(4)
    bytes.writeInt32LE(value)
    return bytes
  }))
  const header = Buffer.alloc(8)
  header.writeUInt32LE(object, 0)
  header.writeUInt32LE((8 + body.length) * 65536 + opcode, 4)
  unsent.push(header, body)
}

/** A request that makes an object, whose number comes first among its arguments. */
function create(object, opcode, ...args) {
  request(object, opcode, ++lastObject, ...args)
  return lastObject
}

async function flush(...fds) {
  const data = Buffer.concat(unsent)
  unsent = []
  await stream.sendMessage({ data, fds })
}

// --- Objects, and what is done when one of them says something: `object:opcode` to a function of the arguments.
const on = {
  [`${DISPLAY}:0`]: (args) => { throw new Error(`the compositor says: ${args.toString('utf8', 12).replace(/\0+$/, '')}`) },
}
const globals = new Map()
const registry = create(DISPLAY, 1)
on[`${registry}:0`] = (args) => {
  const length = args.readUInt32LE(4)
  globals.set(args.toString('utf8', 8, 8 + length - 1), args.readUInt32LE(0))
}
const bind = (name, version) => {
  const object = lastObject + 1
  const global = globals.get(name)
  if (global === undefined) throw new Error(`the compositor has no ${name}`)
  request(registry, 0, global, name, version, object)
  lastObject = object
  return object
}
const told = create(DISPLAY, 0)
on[`${told}:0`] = () => openWindow()
await flush()

let width = 256
let height = 256

async function openWindow() {
  const compositor = bind('wl_compositor', 4)
  const shm = bind('wl_shm', 1)
  const shell = bind('xdg_wm_base', 1)
  const surface = create(compositor, 0)
  const window = create(shell, 2, surface)
  const toplevel = create(window, 1)
  request(toplevel, 2, 'nearwire')
  const ANY_OUTPUT = 0
  if (process.argv.includes('--fullscreen')) request(toplevel, 11, ANY_OUTPUT)
  request(surface, 6)
  on[`${shell}:0`] = (args) => { request(shell, 3, args.readUInt32LE()); return flush() }
  on[`${toplevel}:0`] = (args) => {
    width = args.readInt32LE(0) || width
    height = args.readInt32LE(4) || height
  }
  on[`${toplevel}:1`] = () => stream.close()
  on[`${window}:0`] = async (args) => {
    request(window, 4, args.readUInt32LE())
    await draw(shm, surface)
  }
  await flush()
}

async function draw(shm, surface) {
  const size = width * height * 4
  const fd = createMemfd(size, { name: 'picture' })
  const pixels = new DataView(memoryFromFd(fd, { shared: true }))
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const red = Math.floor(x * 256 / width)
      const green = Math.floor(y * 256 / height)
      // Opaque: the format ignores it, but not every program that takes screenshots does.
      pixels.setUint32((y * width + x) * 4, (0xff << 24) | (red << 16) | (green << 8) | 0x40, true)
    }
  }
  const pool = create(shm, 0, size)
  await flush(fd)
  closeDescriptor(fd)
  const XRGB8888 = 1
  const buffer = create(pool, 0, 0, width, height, width * 4, XRGB8888)
  request(surface, 1, buffer, 0, 0)
  request(surface, 2, 0, 0, width, height)
  const frame = create(surface, 3)
  on[`${frame}:0`] = () => console.log(`the compositor shows ${width} x ${height} pixels`)
  request(surface, 6)
  await flush()
}

// --- Events, as they come.
let pending = Buffer.alloc(0)
for await (const chunk of stream) {
  pending = Buffer.concat([pending, chunk])
  while (pending.length >= 8 && pending.length >= pending.readUInt16LE(6)) {
    const length = pending.readUInt16LE(6)
    const event = `${pending.readUInt32LE(0)}:${pending.readUInt16LE(4)}`
    await on[event]?.(pending.subarray(8, length))
    pending = pending.subarray(length)
  }
}
