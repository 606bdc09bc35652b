/**
 * What a recording proxy noted beside its frames (`mysqlconn-proxy session=17 leg=back event=close by=server how=rst
 * errno=ECONNRESET`): what its sockets knew and no frame shows. Parsed from the comments of pcapng packets.
 */
export interface ProxyClose {
  /** Whose close this is. */
  by: 'client' | 'server' | 'proxy'
  /** It was the first of the session, on either leg. */
  first: boolean
  /** For closes by the proxy: whose close it passed on ('proxy': its own will), and why it closed by itself. */
  cause: 'client' | 'server' | 'proxy' | null
  reason: string
  errno: string
  /** Bytes that it had read and could not hand on. */
  unsent: number
  frame: number
}

export interface ProxyNote {
  /** Number of the session in the recording: both legs have the same. */
  session: number
  leg: 'front' | 'back'
  /** The first close of this leg, null when none was noted. */
  close: ProxyClose | null
}

const PREFIX = 'mysqlconn-proxy '
const SIDES: readonly string[] = ['client', 'server', 'proxy']

/** The note of a leg, completed by one more comment; `known` when the comment is not ours or says nothing new. */
export function readProxyNote(comment: string, frame: number, known: ProxyNote | null): ProxyNote | null {
  if (!comment.startsWith(PREFIX)) return known
  const facts = new Map<string, string>()
  for (const word of comment.slice(PREFIX.length).split('\n', 1)[0]!.split(' ')) {
    const at = word.indexOf('=')
    if (at > 0 && facts.size < 32) facts.set(word.slice(0, at), decode(word.slice(at + 1)))
  }
  const session = Number(facts.get('session'))
  const leg = facts.get('leg')
  if (!Number.isSafeInteger(session) || session < 1 || (leg !== 'front' && leg !== 'back')) return known
  const note: ProxyNote = known?.session === session && known.leg === leg ? known : { session, leg, close: null }
  if (facts.get('event') === 'close' && note.close === null) note.close = closeOf(facts, frame)
  return note
}

function closeOf(facts: ReadonlyMap<string, string>, frame: number): ProxyClose | null {
  const by = side(facts.get('by'))
  if (by === null) return null
  return {
    by,
    first: facts.get('first') === 'yes',
    cause: side(facts.get('cause')),
    reason: facts.get('reason') ?? '',
    errno: facts.get('errno') ?? '',
    unsent: Number(facts.get('unsent') ?? 0) || 0,
    frame,
  }
}

const side = (text: string | undefined): ProxyClose['by'] | null =>
  text !== undefined && SIDES.includes(text) ? (text as ProxyClose['by']) : null

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
