import { invalidType, invalidValue, outOfRange } from '../arguments.js'
import { joinPath } from './malformed.js'

const errors = {
  ERR_INVALID_ARG_TYPE: invalidType,
  ERR_INVALID_ARG_VALUE: invalidValue,
  ERR_OUT_OF_RANGE: outOfRange,
}

/** A refused value on its way out of nested encoders; see `MalformedAttribute` for why it is no `Error` yet. */
export class InvalidAttribute {
  readonly path: string[] = []

  constructor(
    readonly code: keyof typeof errors,
    readonly allowed: string,
    readonly value: unknown,
  ) {}

  toError(root: string): TypeError | RangeError {
    return errors[this.code](joinPath(root, this.path), this.value, this.allowed)
  }
}
