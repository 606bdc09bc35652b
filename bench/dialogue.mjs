/** What to say next: fills a connection's Answer with the bytes of a command or of its reply, in clear or under TLS. */
import * as m from './messages.mjs'
import { EXPORT_BYTES } from './profiles.mjs'
import { appData, clientFinished, clientHello, RECORD_BYTES, sealed, serverFlight } from './tls-bytes.mjs'

const POOL = 256
const BLOCK_ROWS = 256

const many = (make) => Array.from({ length: POOL }, make)

export class Dialogue {
  #random
  #profile
  #tls
  #pools
  #parts
  #records

  constructor(random, profile, tls) {
    this.#random = random
    this.#profile = profile
    this.#tls = tls
    const wrap = (b) => (tls ? sealed(random, b) : b)
    this.#pools = {
      select: many(() => wrap(m.selectStatement(random))),
      update: many(() => wrap(m.updateStatement(random))),
      export: many(() => wrap(m.exportStatement(random))),
      rows: many(() => wrap(m.smallResult(random, random.chance(0.8) ? 1 : random.between(2, 10), false))),
      binaryRows: many(() => wrap(m.smallResult(random, random.between(1, 3), true))),
      login: many(() => wrap(m.login(tls ? 2 : 1, random))),
      loggedIn: wrap(m.loggedIn(tls ? 3 : 2)),
      ok: wrap(m.ok(1, 1)),
      ping: wrap(m.ping),
      quit: wrap(m.quit),
    }
    this.#parts = m.largeParts(random)
    this.#records = tls ? Array.from({ length: 16 }, () => appData(random, RECORD_BYTES)) : []
  }

  /** Chooses the connection's next command and puts it into `c.sending`. */
  command(c) {
    const p = this.#pools
    const r = this.#random
    const out = c.sending.clear()
    if (c.statement === 'prepared') {
      c.statement = 'executing'
      out.add(this.#wrap(m.execute(c.statementId, r.below(1e8))))
      return
    }
    // COM_STMT_CLOSE has no answer: drivers send it together with the next command.
    if (c.statement === 'executing') out.add(this.#wrap(m.closeStatement(c.statementId)))
    c.statement = this.#choose(c)
    if (c.statement === 'prepare') {
      c.statementId++
      out.add(this.#wrap(m.prepare('SELECT id, customer, status, note FROM orders WHERE id = ?')))
    } else if (c.statement === 'ping') out.add(p.ping)
    else out.add(r.pick(p[c.statement]))
  }

  #choose(c) {
    const { exports, prepared, updates, pings } = this.#profile
    if (c.doomed && exports > 0.5) return 'export'
    const share = this.#random.unit()
    if (share < exports) return 'export'
    if (share < exports + prepared) return 'prepare'
    if (share < exports + prepared + updates) return 'update'
    return share < exports + prepared + updates + pings ? 'ping' : 'select'
  }

  /** Puts the answer to `c.statement` into `c.sending`. */
  reply(c) {
    const p = this.#pools
    const out = c.sending.clear()
    if (c.statement === 'select') out.add(this.#random.pick(p.rows))
    else if (c.statement === 'executing') out.add(this.#random.pick(p.binaryRows))
    else if (c.statement === 'export') this.#export(out)
    else if (c.statement === 'prepare') {
      c.statement = 'prepared'
      out.add(this.#wrap(m.prepareOk(c.statementId)))
    } else out.add(p.ok)
  }

  quit(c) {
    c.sending.clear()
    if (c.statement === 'executing') c.sending.add(this.#wrap(m.closeStatement(c.statementId)))
    c.sending.add(this.#pools.quit)
  }

  /** The messages of the connection phase, alternately from server and client; null when it is over. */
  opening(c, step) {
    const out = c.sending.clear()
    const r = this.#random
    const steps = this.#tls
      ? [
          () => m.greeting(c.id, r),
          () => m.sslRequest(),
          null,
          () => clientHello(r),
          () => serverFlight(r),
          () => Buffer.concat([clientFinished(r), r.pick(this.#pools.login)]),
          () => this.#pools.loggedIn,
        ]
      : [() => m.greeting(c.id, r), () => r.pick(this.#pools.login), () => this.#pools.loggedIn]
    const make = steps[step]
    if (make !== undefined && make !== null) out.add(make())
    return step < steps.length
  }

  #wrap(bytes) {
    return this.#tls ? sealed(this.#random, bytes) : bytes
  }

  #export(out) {
    const r = this.#random
    let bytes = r.logUniform(EXPORT_BYTES[0], EXPORT_BYTES[1])
    if (this.#tls) {
      for (; bytes > RECORD_BYTES; bytes -= RECORD_BYTES) out.add(r.pick(this.#records))
      out.add(appData(r, bytes))
      return
    }
    const { head, blocks, ends, firstRow } = this.#parts
    out.add(head)
    let block = r.pick(blocks)
    for (; bytes > block.bytes.length; block = r.pick(blocks)) {
      out.add(block.bytes)
      bytes -= block.bytes.length
    }
    const rows = r.between(1, BLOCK_ROWS)
    out.add(block.bytes, block.ends[rows - 1])
    out.add(ends[(firstRow + rows) & 255])
  }
}
