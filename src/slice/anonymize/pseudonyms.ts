/**
 * Replacements that depend on a secret key and on what they replace, and on nothing else: the same name becomes the same name of
 * the same length everywhere. Text is handled as bytes (latin1), so that no length changes.
 */
import { createHmac } from 'node:crypto'
import { AddressMap } from './addresses.ts'
import { isWord } from './words.ts'

export class Pseudonyms {
  private readonly key: Uint8Array
  private readonly streams = new Map<string, Uint8Array>()

  private readonly addresses: AddressMap

  constructor(key: Uint8Array) {
    this.key = key
    this.addresses = new AddressMap(key)
  }

  /** An address in text as the frames have it; null for what is none. IPv4 only: its length may change. */
  address(text: string): string | null {
    const bytes = text.split('.').map(Number)
    return bytes.length === 4 && bytes.every((b) => b <= 255)
      ? this.addresses.map(Uint8Array.from(bytes)).join('.')
      : null
  }

  /** `length` bytes that nobody without the key and the text can tell. */
  bytes(purpose: string, text: string, length: number): Uint8Array {
    const id = `${purpose}\0${text}`
    let known = this.streams.get(id)
    if (known === undefined || known.length < length) {
      const out = new Uint8Array(Math.max(32, length))
      for (let at = 0, n = 0; at < out.length; at += 32, n++) {
        const block = createHmac('sha256', this.key).update(`${id}\0${n}`, 'latin1').digest()
        out.set(block.subarray(0, Math.min(32, out.length - at)), at)
      }
      known = out
      // A dump of a million values must not be remembered.
      if (this.streams.size < 50_000 && length <= 256) this.streams.set(id, known)
    }
    return known
  }

  /** A name: letters for letters and digits alike, the first one a letter; without regard to case, so that SQL still fits. */
  name(text: string): string {
    if (text === '' || isWord(text)) return text
    const noise = this.bytes('name', text.toLowerCase(), text.length)
    let out = ''
    for (let i = 0; i < text.length; i++) {
      const c = text[i]!
      out += c === '_' || c === '$' || c === '-' || c === '.' ? c : LETTERS[noise[i]! % 26]!
    }
    return out
  }

  /** A value: digits stay digits (the first not 0), all else but the separators of dates and decimals becomes letters. */
  value(text: string): string {
    const noise = this.bytes('value', text, text.length)
    let out = ''
    for (let i = 0; i < text.length; i++) {
      const c = text[i]!
      if (c >= '0' && c <= '9') out += String(i === 0 ? 1 + (noise[i]! % 9) : noise[i]! % 10)
      else out += /[-:. +,/]/.test(c) ? c : LETTERS[noise[i]! % 26]!
    }
    return out
  }
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
