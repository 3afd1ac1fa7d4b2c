import * as check from '../arguments.js'
import { invalidType } from '../arguments.js'

/**
 * One instruction of a classic BPF program, as `struct sock_filter` of linux/filter.h has it.
 *
 * The program sees a datagram from its netlink header on; its loads of two and four bytes are big-endian, while netlink is
 * in the host's byte order. What it returns is how many bytes to keep: 0 drops the datagram, anything less than its length
 * cuts it short without a word from the kernel.
 */
export interface FilterInstruction {
  /** The operation, 16 bits. */
  code: number
  /** How many instructions to skip when a jump's condition holds, 8 bits; default 0. */
  jt?: number
  /** How many to skip when it does not, 8 bits; default 0. */
  jf?: number
  /** The operand, 32 bits; default 0. */
  k?: number
}

/** `BPF_MAXINSNS`. */
const LONGEST = 4096

/** Four numbers an instruction. */
export function encodeFilter(name: string, program: unknown): Uint32Array {
  if (!Array.isArray(program)) throw invalidType(name, program, 'an array of instructions { code, jt, jf, k }')
  check.integer(`${name}.length`, program.length, 1, LONGEST)
  const numbers = new Uint32Array(program.length * 4)
  program.forEach((one: FilterInstruction | null, index) => {
    const place = `${name}[${index}]`
    if (typeof one !== 'object' || one === null) throw invalidType(place, one, 'an instruction { code, jt, jf, k }')
    numbers.set([
      check.integer(`${place}.code`, one.code, 0, 0xffff),
      check.integer(`${place}.jt`, one.jt, 0, 0xff, 0),
      check.integer(`${place}.jf`, one.jf, 0, 0xff, 0),
      check.integer(`${place}.k`, one.k, 0, 0xffff_ffff, 0),
    ], index * 4)
  })
  return numbers
}
