/**
 * Anomalies: something odd, damaged, cut or beyond us in the INPUT (Zeek's weird, Wireshark's expert info). They say what
 * limits the analysis; they never accuse a connection's parties. One row per kind: what it means for the verdicts.
 */
import { LIMITS } from './limits.ts'

export type Accuses = 'capture' | 'client' | 'server' | 'network' | 'log' | 'us'

export interface AnomalyKind {
  accuses: Accuses
  /** What it costs the analysis, in one sentence. */
  means: string
}

export const ANOMALY_KINDS = {
  'capture.empty': {
    accuses: 'capture',
    means: 'The file holds no packet, so nothing can be said about any connection.',
  },
  'capture.truncated-tail': {
    accuses: 'capture',
    means:
      'The file ends in the middle of a record: what came after is lost, and connections open there have no known end.',
  },
  'capture.damaged': {
    accuses: 'capture',
    means:
      'Bytes that are not a valid record were skipped; frames inside them are lost and later frame numbers may differ from Wireshark.',
  },
  'capture.snaplen': {
    accuses: 'capture',
    means: 'Frames were cut by the snapshot length: payload beyond it is unknown. Capture with tcpdump -s 0.',
  },
  'capture.version': {
    accuses: 'capture',
    means: 'The file header names a format version other than the published one; it was read as if it were.',
  },
  'capture.unknown-link-type': {
    accuses: 'capture',
    means: 'Frames of this link type cannot be decoded and were counted only.',
  },
  'capture.unknown-interface': {
    accuses: 'capture',
    means: 'A packet names an interface that no description block declared; it was counted only.',
  },
  'capture.unknown-block': {
    accuses: 'capture',
    means: 'A pcapng block of an unknown type was skipped, as the format asks.',
  },
  'capture.block-length': {
    accuses: 'capture',
    means:
      'The two length fields of a pcapng block differ, or the length is no multiple of four; the block was read all the same.',
  },
  'capture.bad-option': { accuses: 'capture', means: 'A pcapng option runs past its block and was ignored.' },
  'capture.kernel-drops': {
    accuses: 'capture',
    means: 'The capturing machine reports dropped packets: holes in the streams may be its own and not the network’s.',
  },
  'capture.compressed-damaged': {
    accuses: 'capture',
    means: 'The compressed file breaks off or is damaged: everything before that place was read.',
  },
  'capture.time-backwards': {
    accuses: 'capture',
    means: 'Frames are not in time order; gaps between them may be wrong.',
  },
  'capture.duplicate-frames': {
    accuses: 'capture',
    means: 'The same packet was captured more than once (any interface, SPAN port): the copies were ignored.',
  },
  'capture.one-direction': {
    accuses: 'capture',
    means: 'Only one direction of the connection was captured: commands or answers are missing, verdicts are weaker.',
  },
  'capture.lost-segments': {
    accuses: 'capture',
    means: 'Bytes that the receiver acknowledged are not in the capture: the capture lost them, not the network.',
  },
  'capture.midstream': {
    accuses: 'capture',
    means:
      'Connections had begun before the capture: their login and settings are unknown and were inferred where possible.',
  },
  'capture.tls-no-keys': {
    accuses: 'capture',
    means:
      'TLS sessions cannot be read without a key log: only sizes, directions and times speak. Record one with SSLKEYLOGFILE.',
  },
  'capture.no-mysql': {
    accuses: 'capture',
    means: 'There are TCP connections, and none of them speaks MySQL: another port or host, or begun after the logins.',
  },
  'packet.truncated-header': {
    accuses: 'capture',
    means: 'A frame ends inside its network or TCP header and was counted only.',
  },
  'packet.malformed': {
    accuses: 'network',
    means: 'A frame’s network or TCP header contradicts itself and was counted only.',
  },
  'packet.bad-checksum': {
    accuses: 'capture',
    means: 'Checksums are wrong on sent packets, which is normal with checksum offload on the capturing host; ignored.',
  },
  'packet.offload': {
    accuses: 'capture',
    means: 'Segments larger than the MTU: captured above segmentation offload; sizes on the wire were smaller.',
  },
  'packet.fragment-incomplete': { accuses: 'network', means: 'IP fragments whose siblings never came were dropped.' },
  'packet.fragment-overlap': { accuses: 'network', means: 'Overlapping IP fragments: the first bytes seen were kept.' },
  'packet.tunnel-depth': {
    accuses: 'network',
    means: 'More nested tunnels than we follow; the frame was counted only.',
  },
  'mysql.unreadable': {
    accuses: 'network',
    means: 'Bytes on a MySQL connection do not follow the protocol; decoding resumed at the next recognisable message.',
  },
  'mysql.truncated-message': {
    accuses: 'capture',
    means: 'A MySQL message is shorter than its fields ask for; what was there was used.',
  },
  'mysql.compressed-unreadable': {
    accuses: 'capture',
    means: 'A compressed MySQL packet could not be inflated; its messages are unknown.',
  },
  'mysql.inferred': {
    accuses: 'capture',
    means: 'The login was not captured: protocol options were inferred from the traffic.',
  },
  'log.unread': {
    accuses: 'us',
    means: 'Text that is no log of a known format: what it says was not used.',
  },
  'log.empty': {
    accuses: 'log',
    means: 'No entry of the log tells of a MySQL connection: nothing can be joined to it.',
  },
  'log.unreadable-line': {
    accuses: 'log',
    means: 'Lines that no known format explains were left out: what they say was not used.',
  },
  'log.long-line': { accuses: 'log', means: 'Lines longer than 64 KiB were read up to there.' },
  'log.events-dropped': {
    accuses: 'us',
    means: 'More log events than are kept: those that say why something broke were kept first, the others counted.',
  },
  'log.no-time': {
    accuses: 'log',
    means: 'Entries without a time, or without a date that could be inferred, have no place on the timeline.',
  },
  'config.unreadable-line': {
    accuses: 'us',
    means: 'Lines of a configuration file that we cannot read were left out: their settings are unknown.',
  },
  'config.include': {
    accuses: 'us',
    means: 'A configuration file includes others, which were not read: give them with --config as well.',
  },
  'tls.wrong-keys': {
    accuses: 'us',
    means:
      'There are keys for these TLS sessions, and they do not open them: the key log was changed, or is of something else. They were judged by sizes and times.',
  },
  'tls.place-lost': {
    accuses: 'capture',
    means:
      'Decryption stopped inside these TLS sessions: behind a hole in the capture, or changed bytes, no record would open. What came later was judged by sizes and times.',
  },
  'tls.cipher': {
    accuses: 'us',
    means: 'These TLS sessions use a cipher suite, or compression, that is not decrypted here.',
  },
  'tls.handshake-unseen': {
    accuses: 'capture',
    means:
      'The handshake of these TLS sessions is not in the capture: whose keys they use is unknown, so no key log opens them.',
  },
  'keylog.damaged': {
    accuses: 'log',
    means: 'Lines of the TLS key log are not in the NSS key log format and were passed over.',
  },
  'keylog.no-match': {
    accuses: 'log',
    means:
      'Nothing in the TLS key log belongs to a TLS session of the captures: it was recorded elsewhere or at another time.',
  },
  'keylog.late': {
    accuses: 'us',
    means:
      'Keys came behind the packets that need them, in an input that can be read only once: these sessions were judged without keys.',
  },
  'input.unrecognised': { accuses: 'us', means: 'Neither a capture nor text: the file was not read.' },
  'us.limit': {
    accuses: 'us',
    means: 'A limit that bounds memory was reached; what lay beyond it was counted, not analysed.',
  },
} as const satisfies Record<string, AnomalyKind>

export type AnomalyName = keyof typeof ANOMALY_KINDS

export interface Anomaly {
  kind: AnomalyName
  count: number
  /** First frame (captures) it was seen in, 0 when it belongs to no frame. */
  firstFrame: number
  /** Places in words ("offset 1234", "frame 12: link type 147"), the first few only. */
  places: string[]
}

/** Counts anomalies by kind and keeps the first few places of each: bounded whatever the input. */
export class AnomalyLog {
  private readonly byKind = new Map<AnomalyName, Anomaly>()

  /** Notes one occurrence. `place` is only evaluated while it would be kept, so hot callers may pass a function. */
  note(kind: AnomalyName, frame = 0, place?: string | (() => string)): void {
    let a = this.byKind.get(kind)
    if (a === undefined) {
      a = { kind, count: 0, firstFrame: frame, places: [] }
      this.byKind.set(kind, a)
    }
    a.count++
    // Sessions are judged when they end, not in the order in which they begin.
    if (frame > 0 && frame < a.firstFrame) a.firstFrame = frame
    if (place !== undefined && a.places.length < LIMITS.anomaliesKept) {
      a.places.push(typeof place === 'string' ? place : place())
    }
  }

  /** Takes over what another log has counted. */
  adopt(other: Anomaly): void {
    const own = this.byKind.get(other.kind)
    if (own === undefined) {
      this.byKind.set(other.kind, { ...other, places: [...other.places] })
      return
    }
    own.count += other.count
    own.places = [...own.places, ...other.places].slice(0, LIMITS.anomaliesKept)
  }

  /** Anomalies in the order in which their kinds first appeared. */
  list(): readonly Anomaly[] {
    return [...this.byKind.values()]
  }

  has(kind: AnomalyName): boolean {
    return this.byKind.has(kind)
  }
}
