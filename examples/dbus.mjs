// A D-Bus client that passes a descriptor: two clients of one bus, of which one gives the other something to read.
//   node examples/dbus.mjs [address, default $DBUS_SESSION_BUS_ADDRESS]
// The bus daemon never sees what is behind the descriptor; it hands it on with the message it belongs to.

import { closeDescriptor, createMemfd, DescriptorFile, UnixStream } from 'nearwire'

/** Writes values as D-Bus wants them: each aligned to its own size. */
class Writer {
  bytes = Buffer.alloc(0)
  align(size) {
    this.bytes = Buffer.concat([this.bytes, Buffer.alloc((size - this.bytes.length % size) % size)])
  }
  byte(value) { this.bytes = Buffer.concat([this.bytes, Buffer.of(value)]) }
  u(value) {
    this.align(4)
    const four = Buffer.alloc(4)
    four.writeUInt32LE(value)
    this.bytes = Buffer.concat([this.bytes, four])
  }
  h(value) { this.u(value) }
  s(text) {
    this.u(Buffer.byteLength(text))
    this.bytes = Buffer.concat([this.bytes, Buffer.from(`${text}\0`)])
  }
  o(text) { this.s(text) }
  g(text) { this.bytes = Buffer.concat([this.bytes, Buffer.of(text.length), Buffer.from(`${text}\0`)]) }
}

/** Reads them back. */
class Reader {
  constructor(bytes, at = 0) { Object.assign(this, { bytes, at }) }
  align(size) { this.at = Math.ceil(this.at / size) * size }
  byte() { return this.bytes[this.at++] }
  u() { this.align(4); this.at += 4; return this.bytes.readUInt32LE(this.at - 4) }
  h() { return this.u() }
  text(length) { this.at += length + 1; return this.bytes.toString('utf8', this.at - length - 1, this.at - 1) }
  s() { return this.text(this.u()) }
  o() { return this.s() }
  g() { return this.text(this.byte()) }
}

const CALL = 1
const REPLY = 2
const ERROR = 3
/** What may be in a message's header: its number and its type. */
const FIELDS = {
  path: [1, 'o'], interface: [2, 's'], member: [3, 's'], errorName: [4, 's'], replyTo: [5, 'u'], destination: [6, 's'],
  sender: [7, 's'], signature: [8, 'g'], fdCount: [9, 'u'],
}
const FIELD_NAMES = Object.fromEntries(Object.entries(FIELDS).map(([name, [number]]) => [number, name]))

class Client {
  #stream
  #pending = Buffer.alloc(0)
  #fds = []
  #serial = 0

  /** Connects, says who we are (the kernel proves it), and asks for descriptors. */
  static async open(address) {
    const [, kind, name] = /unix:(?:.*,)?(path|abstract)=([^,;]+)/.exec(address) ?? []
    if (kind === undefined) throw new Error(`${address} is no address of a UNIX socket`)
    const client = new Client()
    client.#stream = await UnixStream.connect({ [kind]: decodeURIComponent(name) })
    const uid = Buffer.from(String(process.getuid())).toString('hex')
    await client.#stream.write(`\0AUTH EXTERNAL ${uid}\r\n`)
    await client.#line('OK')
    await client.#stream.write('NEGOTIATE_UNIX_FD\r\n')
    await client.#line('AGREE_UNIX_FD')
    await client.#stream.write('BEGIN\r\n')
    client.name = await client.call({
      destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus', member: 'Hello',
    })
    return client
  }

  async send(type, { fds = [], body = [], ...header }) {
    const content = new Writer()
    for (const [kind, value] of body) content[kind](value)
    const fields = new Writer()
    const all = { ...header, signature: body.map(([kind]) => kind).join(''), fdCount: fds.length }
    for (const [name, value] of Object.entries(all)) {
      if (value === undefined || value === '' || value === 0) continue
      const [number, kind] = FIELDS[name]
      fields.align(8)
      fields.byte(number)
      fields.g(kind)
      fields[kind](value)
    }
    const message = new Writer()
    for (const byte of [0x6c, type, 0, 1]) message.byte(byte)
    message.u(content.bytes.length)
    message.u(++this.#serial)
    message.u(fields.bytes.length)
    message.bytes = Buffer.concat([message.bytes, fields.bytes])
    message.align(8)
    await this.#stream.sendMessage({ data: Buffer.concat([message.bytes, content.bytes]), fds })
    return this.#serial
  }

  /** Calls a method and answers the first value of its reply. */
  async call(message) {
    const serial = await this.send(CALL, message)
    for (;;) {
      const reply = await this.receive()
      if (reply.replyTo !== serial) continue
      if (reply.type === ERROR) throw new Error(`${reply.errorName}: ${reply.body[0]}`)
      return reply.body[0]
    }
  }

  /** The next message, with the descriptors that belong to it. */
  async receive() {
    await this.#until(() => this.#pending.length >= 16)
    const header = new Reader(this.#pending, 4)
    const [bodyLength, serial, fieldsLength] = [header.u(), header.u(), header.u()]
    const start = Math.ceil((16 + fieldsLength) / 8) * 8
    await this.#until(() => this.#pending.length >= start + bodyLength)
    const message = { type: this.#pending[1], serial, body: [], fdCount: 0, signature: '' }
    const fields = new Reader(this.#pending, 16)
    while (fields.at < 16 + fieldsLength) {
      fields.align(8)
      const name = FIELD_NAMES[fields.byte()]
      message[name] = fields[fields.g()]()
    }
    const body = new Reader(this.#pending.subarray(start, start + bodyLength))
    for (const kind of message.signature) message.body.push(body[kind]())
    message.fds = this.#fds.splice(0, message.fdCount)
    this.#pending = this.#pending.subarray(start + bodyLength)
    return message
  }

  close() { return this.#stream.close() }

  async #until(enough) {
    while (!enough()) {
      const received = await this.#stream.receiveMessage()
      if (received === null) throw new Error('the bus has closed the connection')
      this.#pending = Buffer.concat([this.#pending, received.data])
      this.#fds.push(...received.fds)
    }
  }

  async #line(expected) {
    await this.#until(() => this.#pending.includes('\r\n'))
    const end = this.#pending.indexOf('\r\n')
    const line = this.#pending.toString('utf8', 0, end)
    this.#pending = this.#pending.subarray(end + 2)
    if (!line.startsWith(expected)) throw new Error(`the bus said ${line}, not ${expected}`)
  }
}

const address = process.argv[2] ?? process.env.DBUS_SESSION_BUS_ADDRESS ?? ''
const [giver, reader] = [await Client.open(address), await Client.open(address)]
console.log(`${giver.name} and ${reader.name} are on the bus`)

const fd = createMemfd('what only the descriptor leads to')
const serial = await giver.send(CALL, {
  destination: reader.name, path: '/', interface: 'org.example.Reader', member: 'Read', body: [['s', 'please'], ['h', 0]], fds: [fd],
})
closeDescriptor(fd)

// The reader may get other messages first: the bus tells it its name, too.
for (;;) {
  const { member, sender, serial: replyTo, body, fds } = await reader.receive()
  if (member !== 'Read') continue
  const file = DescriptorFile.fromFd(fds[body[1]])
  const content = String(await file.readAll())
  await file.close()
  await reader.send(REPLY, { destination: sender, replyTo, body: [['s', `${body[0]}: ${content}`]] })
  break
}
for (;;) {
  const { replyTo, sender, body } = await giver.receive()
  if (replyTo !== serial) continue
  console.log(`${sender} read "${body[0]}"`)
  break
}
await Promise.all([giver.close(), reader.close()])
