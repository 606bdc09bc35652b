/** One simulated connection: who, where in its dialogue, what it still has to send. Reused when the connection ends. */
import { Answer } from './answer.mjs'
import { MSS, SESSIONS_PER_RESET } from './profiles.mjs'

export const CLIENT = 0
export const SERVER = 1
/** Sessions are spread over so many client hosts; no endpoint is used twice within 1.3 million sessions. */
const CLIENT_HOSTS = 47
const FIRST_PORT = 32768

/** What the connection does at its next turn. */
export const Turn = {
  Syn: 0,
  SynAck: 1,
  Established: 2,
  Opening: 3,
  Think: 4,
  DelayedAck: 5,
  Command: 6,
  Resend: 7,
  Reply: 8,
  Burst: 9,
  Acks: 10,
  Reset: 11,
  ServerFin: 12,
}

export class Connection {
  sending = new Answer()
  seq = [0, 0]
  ipId = [0, 0]
  /** Last timestamp option sent by each side. */
  ts = [0, 0]
  /** Ends of the segments of the last burst, for the ACKs. */
  marks = []
  segments = 0
  resend = null

  open(n, random, profile) {
    this.n = n
    this.id = n + 8
    this.ip = 0x0a010000 + 10 + (n % CLIENT_HOSTS)
    this.port = FIRST_PORT + (Math.floor(n / CLIENT_HOSTS) % 28000)
    this.seq[CLIENT] = random.u32()
    this.seq[SERVER] = random.u32()
    this.ipId[CLIENT] = random.below(65536)
    this.ipId[SERVER] = random.below(65536)
    this.turn = Turn.Syn
    this.after = Turn.Think
    this.step = 0
    this.think = 0
    this.unacked = false
    this.commandsLeft = 1 + Math.floor(random.exponential(profile.commands))
    this.doomed = n % SESSIONS_PER_RESET === SESSIONS_PER_RESET / 2 - 1
    this.statement = ''
    this.statementId = 0
    this.segmentBytes = MSS
    this.offload = random.chance(profile.offload)
    this.resend = null
  }

  /** `ip:port` of the client. */
  get client() {
    return `${this.ip >>> 24}.${(this.ip >>> 16) & 255}.${(this.ip >>> 8) & 255}.${this.ip & 255}:${this.port}`
  }
}
