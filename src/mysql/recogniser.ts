/**
 * Holds the first bytes of a connection until they show whether it is MySQL, and which side is the server. Usually the
 * first segment decides and nothing is kept.
 */
import { CLIENT, type Direction, otherSide, SERVER } from '../core/direction.ts'
import { LIMITS } from '../core/limits.ts'
import type { Instant } from '../core/time.ts'
import { looksLikeRecordChain } from '../tls/recognise.ts'
import type { RecognisedBy } from './listener.ts'
import { proxyHeaderLength } from './messages/proxy-header.ts'
import {
  errCode,
  foreignProtocol,
  isLateError,
  isStatementAlone,
  Look,
  looksLikeAnswer,
  looksLikeCommand,
  looksLikeCompressedCommand,
  looksLikeErr,
  looksLikeGreeting,
  looksLikeLogin,
  looksLikeXProtocol,
} from './recognise.ts'

/** Bytes of a direction that are looked at. */
const PROBE_BYTES = 1024

export interface Held {
  dir: Direction
  bytes: Uint8Array
  at: Instant
  frame: number
}

export type Verdict =
  | { kind: 'undecided' }
  | { kind: 'mysql'; by: RecognisedBy; flip: boolean; compressed: boolean; started: boolean }
  /** `what` names the other protocol where known. `dir` said it. */
  | { kind: 'not-mysql'; what: string; dir: Direction }

const UNDECIDED: Verdict = { kind: 'undecided' }
const GREETING: Verdict = { kind: 'mysql', by: 'greeting', flip: false, compressed: false, started: false }
const EMPTY = new Uint8Array(0)

export class Recogniser {
  /** Chunks to be read once it is MySQL, in order. The last of several, or the only one, is the one in hand. */
  held: Held[] = []
  /** Another protocol that the client spoke before the server said anything; '' when it did not. */
  foreign = ''
  private readonly assumed: boolean
  private readonly sidesKnown: boolean
  private heldBytes = 0
  private seenBytes = 0

  /** `sidesKnown`: the SYN was seen, so nothing in the bytes can make the client the server. */
  constructor(assumed: boolean, sidesKnown: boolean) {
    this.assumed = assumed
    this.sidesKnown = sidesKnown
  }

  /** Looks at the next bytes. While undecided they are held if they may be wanted later, otherwise forgotten. */
  offer(dir: Direction, buf: Uint8Array, start: number, end: number, at: Instant, frame: number): Verdict {
    if (this.foreign !== '' && dir === CLIENT) return UNDECIDED
    // Nearly always: the first bytes are the server's greeting, and nothing need be held to see it.
    if (dir === SERVER && this.held.length === 0 && looksLikeGreeting(buf, start, end) === Look.yes) return GREETING
    this.seenBytes += end - start
    const chunk: Held = { dir, bytes: buf.subarray(start, end), at, frame }
    this.held.push(chunk)
    this.heldBytes += end - start
    const verdict = this.judge()
    if (verdict !== null) {
      // Borrowed bytes are copied only if they must outlive this call.
      if (verdict.kind === 'undecided') chunk.bytes = chunk.bytes.slice()
      return verdict
    }
    this.forget()
    // On a port known for MySQL a later command may still be recognised: nothing else is spoken there.
    if (this.assumed || this.seenBytes <= LIMITS.recogniseBytes) return UNDECIDED
    return { kind: 'not-mysql', what: '', dir }
  }

  /** Bytes went missing: what was held leads nowhere. */
  forget(): void {
    this.held = []
    this.heldBytes = 0
  }

  /** null: what is held says nothing. */
  private judge(): Verdict | null {
    const c = this.probe(CLIENT)
    const s = this.probe(SERVER)
    const straight = this.look(c, s, false)
    if (straight !== null && straight.kind !== 'undecided') return straight
    const turned = this.sidesKnown ? null : this.look(s, c, true)
    if (turned?.kind === 'mysql') return turned
    const verdict = straight ?? turned
    return verdict?.kind === 'undecided' && this.heldBytes > LIMITS.recogniseBytes ? null : verdict
  }

  private look(c: Uint8Array, s: Uint8Array, flip: boolean): Verdict | null {
    let wait = false
    const yes = (by: RecognisedBy, started: boolean, compressed = false): Verdict => ({
      kind: 'mysql',
      by,
      flip,
      compressed,
      started,
    })
    if (s.length > 0) {
      const greeting = looksLikeGreeting(s, 0, s.length)
      if (greeting === Look.yes) return yes('greeting', false)
      const err = looksLikeErr(s, 0, s.length, true)
      // Turned round, an ERR is believed only when nothing contradicts.
      if (err === Look.yes) {
        const late = isLateError(errCode(s, 0)) && s[7] === 0x23
        return yes(late ? 'response' : 'error-greeting', late)
      }
      if (looksLikeXProtocol(s, 0, s.length))
        return { kind: 'not-mysql', what: 'x-protocol', dir: flip ? CLIENT : SERVER }
      wait = greeting === Look.more || err === Look.more
    }
    if (c.length > 0) {
      const proxy = proxyHeaderLength(c, 0, c.length)
      if (proxy !== 0) {
        if (proxy > 0 && this.assumed && !flip) return yes('port', false)
        return s.length === 0 || wait ? UNDECIDED : null
      }
      const login = looksLikeLogin(c, 0, c.length)
      if (login === Look.yes) return yes('login', false)
      // The header of a TLS record is one of a MySQL packet of 197,399 bytes, its length a command byte: the chain of records decides.
      const sealed = looksLikeRecordChain(c, 0, c.length)
      const command = sealed ? Look.no : looksLikeCommand(c, 0, c.length)
      const compressed = !sealed && looksLikeCompressedCommand(c, 0, c.length)
      if (command === Look.yes || compressed) {
        if (this.assumed && !flip) return yes('port', true, compressed)
        const answer = compressed ? answerInside(s) : s.length === 0 ? Look.more : looksLikeAnswer(s, 0, s.length, 1)
        if (answer === Look.yes || (answer === Look.more && isStatementAlone(c, 0, c.length)))
          return yes('command', true, compressed)
        return answer === Look.more ? UNDECIDED : null
      }
      if (looksLikeXProtocol(c, 0, c.length))
        return { kind: 'not-mysql', what: 'x-protocol', dir: flip ? SERVER : CLIENT }
      const foreign = flip ? '' : foreignProtocol(c, 0, c.length)
      if (foreign !== '') {
        if (s.length > 0) return { kind: 'not-mysql', what: foreign, dir: CLIENT }
        // A MySQL server greets whatever the client says, and its greeting may only be on its way: hear it first.
        this.foreign = foreign
        this.forget()
        return UNDECIDED
      }
      wait ||= login === Look.more || command === Look.more
    } else if (this.assumed && !flip && s.length > 0 && looksLikeAnswer(s, 0, s.length, 1) === Look.yes) {
      return yes('response', true)
    }
    if (s.length > 0 && !flip) {
      if (this.foreign !== '' && !wait) return { kind: 'not-mysql', what: this.foreign, dir: CLIENT }
      const foreign = foreignProtocol(s, 0, s.length)
      if (foreign !== '') return { kind: 'not-mysql', what: foreign, dir: SERVER }
    }
    return wait ? UNDECIDED : null
  }

  /** The first bytes held of a direction. */
  private probe(dir: Direction): Uint8Array {
    let first: Uint8Array | null = null
    let length = 0
    for (const h of this.held) {
      if (h.dir !== dir) continue
      first ??= h.bytes
      length += h.bytes.length
    }
    if (first === null || first.length >= PROBE_BYTES || first.length === length) return first ?? EMPTY
    const all = new Uint8Array(Math.min(length, PROBE_BYTES))
    let n = 0
    for (const h of this.held) {
      if (h.dir !== dir || n === all.length) continue
      const take = h.bytes.subarray(0, all.length - n)
      all.set(take, n)
      n += take.length
    }
    return all
  }
}

/** The answer of a server under compression: a 7-byte header, then, stored, an answer. */
function answerInside(s: Uint8Array): Look {
  if (s.length < 12) return Look.more
  const stored = s[4] === 0 && s[5] === 0 && s[6] === 0
  return !stored || looksLikeAnswer(s, 7, s.length, 1) === Look.yes ? Look.yes : Look.no
}

/** The side that the capture calls `dir`, once the guess was corrected. */
export const turned = (dir: Direction, flip: boolean): Direction => (flip ? otherSide(dir) : dir)
