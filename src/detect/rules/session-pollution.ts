/** State that one borrower of a pooled connection left behind, and that the next one ran with. */
import { formatDuration } from '../../core/time.ts'
import type { Confidence, Severity } from '../../report/model.ts'
import type { Session } from '../../session/session.ts'
import type { StateStep } from '../../state/step.ts'
import { shown } from '../../state/variables.ts'
import type { Borrow, BorrowMark } from '../borrows.ts'
import type { Leak } from '../leaks.ts'
import { driverOf, remediesFor } from '../pool-remedy.ts'
import { defineRule, type RuleContext, type RuleEvidence } from '../rule.ts'

/** How another borrower was told from the one before, in words. */
const MARKS: Readonly<Record<BorrowMark, string>> = {
  login: 'the login',
  'pool-trace': 'the pool’s own trace',
  'front-session': 'another client session behind the proxy',
  reset: 'COM_RESET_CONNECTION',
  'change-user': 'COM_CHANGE_USER',
  ping: 'the ping at checkout',
  validation: 'the validation query at checkout',
  preamble: 'the statement that opens every checkout',
  gap: 'a silence longer than --borrow-gap',
  pause: 'the damage, after a pause',
}
const RANK: Record<Confidence, number> = { certain: 0, likely: 1, possible: 2 }
const VICTIMS_SHOWN = 3

export default defineRule({
  meta: {
    id: 'session-pollution',
    family: 'state',
    title: 'State left on a pooled connection reached its next borrower',
    severity: 'error',
    what: 'A connection was handed to another borrower while it still carried state of the one before (a session variable, a schema, a transaction, a lock, a temporary table, a user variable), and the next statements ran with it. Borrowers are told apart by a pool trace, or on the wire by a reset, a ping, a validation query or opening statement at checkout, or by damage that no single user would do to itself.',
    why: 'Answers are wrong or writes are lost without any error, now and then, depending on who had the connection before.',
    cannotTell:
      'Who the borrowers are without a pool trace; state changed by stored code or over connections that were not captured; whether a pause on a connection is another borrower or the same one (then only damage is reported).',
    fix: [
      {
        text: 'Reset connections when they come back to the pool',
        config:
          'mysql2 resetOnRelease, MariaDB resetAfterUse / useResetConnection, MySqlConnector ConnectionReset, mysql-connector-python pool_reset_session',
      },
      {
        text: 'Change state through the driver’s API where the pool undoes it (JDBC setters), and use LIMIT instead of SQL_SELECT_LIMIT',
        config: '',
      },
    ],
    needs: ['mysql'],
    quiet: [
      'a borrower that takes its own change back (SET x = DEFAULT, the old value, COMMIT)',
      'a pool that resets (COM_RESET_CONNECTION, COM_CHANGE_USER) before the next borrower',
      'what drivers and pools set right after the login',
      'every borrower setting its own value first',
      'a private connection: no sign of another borrower, no damage',
    ],
    references: [
      {
        title: 'MySQL manual: COM_RESET_CONNECTION',
        url: 'https://dev.mysql.com/doc/c-api/8.4/en/mysql-reset-connection.html',
      },
      {
        title: 'MySQL manual: Session State Tracking',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/session-state-tracking.html',
      },
    ],
    detail: {
      state:
        'what was left: sql_select_limit, autocommit, isolation, read_only, charset, collation, time_zone, sql_mode, schema, user_variable, temp_table, lock_tables, user_lock, open_transaction, prepared_statement, role, or the variable’s own name',
      name: 'the variable, table or lock itself',
      value: 'its value as set, null when not known',
      previous: 'its value before, null when not known',
      setBy: 'who set it: borrower (null unknown), statement, frame',
      ranWith: 'who ran with it, up to three: borrower, statements, frame',
      boundary:
        'how the borrowers were told apart: pool-trace, front-session, reset, change-user, ping, validation, preamble, gap, pause',
      damage: 'the harm that the wire shows, null when it shows none',
      endedBy: 'what ended it: reset, statement, nothing',
      driver: 'the client’s driver where it named itself, null otherwise',
    },
    sample: 'session-pollution',
  },
  session(s, ctx) {
    const story = ctx.fleet.stateStory(s)
    const leaks = story?.leaks ?? []
    for (const leak of leaks) if (!follows(leak, leaks)) judge(s, leak, story!.borrows, ctx)
  },
})

/** A transaction that nobody began: it is open since autocommit was left off, which is told itself. */
const follows = (leak: Leak, leaks: readonly Leak[]): boolean =>
  leak.state === 'open_transaction' &&
  leak.value === '' &&
  leaks.some((l) => l.state === 'autocommit' && l.setBy.at <= leak.setBy.at)

/** The surest sign between the setter and its victims that another borrower began. */
function boundaryOf(
  leak: Leak,
  victim: Borrow,
  borrows: readonly Borrow[],
): { mark: BorrowMark; sure: Confidence } | null {
  let best: { mark: BorrowMark; sure: Confidence } | null = null
  for (const b of borrows.slice(leak.setIn.index + 1, victim.index + 1))
    if (b.sure !== null && (best === null || RANK[b.sure] < RANK[best.sure])) best = { mark: b.mark, sure: b.sure }
  return best
}

function judge(s: Session, leak: Leak, borrows: readonly Borrow[], ctx: RuleContext): void {
  const marked = leak.victims.filter((v) => boundaryOf(leak, v.borrow, borrows) !== null)
  const victims = marked.length > 0 ? marked : leak.damage?.tells === true ? leak.victims : []
  const first = victims[0]
  if (first === undefined || first.steps.length === 0) return
  const boundary = boundaryOf(leak, first.borrow, borrows) ?? { mark: 'pause' as const, sure: 'likely' as const }
  // What the schema was before is not known: it may have been the same.
  if (leak.state === 'schema' && leak.previous === null && boundary.sure !== 'certain') return
  const damage = leak.damage !== null && victims.some((v) => v.steps.includes(leak.damage!.step)) ? leak.damage : null
  const severity: Severity = leak.harm === 'info' && damage === null ? 'info' : damage === null ? 'warning' : 'error'
  const front = ctx.fleet.frontLeg(s) ?? s
  const what = described(leak)
  const who = leak.setIn.who
  const whom = first.borrow.who
  const statement = leak.setBy.text
  ctx.report({
    session: s,
    at: first.steps[0]!.at,
    cause: `pollution ${leak.state} ${leak.name} ${leak.value} ${front.clientIp} ${front.server} ${shape(statement)}`,
    severity,
    confidence: boundary.sure,
    culprit: { role: 'client', address: front.clientIp, product: leak.setIn.checkout?.product ?? driverOf(front) },
    title: () =>
      `${what}, left by ${who ?? 'one borrower'}, reached ${whom === null ? 'the next' : whom === who ? 'its next borrow' : whom}${damage === null ? '' : `: ${damage.says}`}`,
    detail: {
      state: leak.state,
      name: leak.name,
      value:
        leak.value === '' && !leak.entries[0]!.key.startsWith('var:') ? null : shown(leak.entries[0]!.key, leak.value),
      previous: leak.previous === null ? null : shown(leak.entries[0]!.key, leak.previous),
      setBy: { borrower: who, statement, frame: frameOf(s, leak.setBy) },
      ranWith: victims.slice(0, VICTIMS_SHOWN).map((v) => ({
        borrower: v.borrow.who,
        statements: v.steps.slice(0, VICTIMS_SHOWN).map((x) => x.text),
        frame: frameOf(s, v.steps[0]!),
      })),
      boundary: boundary.mark,
      damage: damage?.says ?? null,
      endedBy: leak.endedBy,
      driver: driverOf(front),
    },
    command: 'COM_QUERY',
    statement: (damage?.step ?? first.steps[0]!).text,
    outcome: 'answered',
    evidence: evidenceOf(leak, victims, boundary.mark, damage?.step ?? null, damage?.says ?? ''),
    excluded: excludedOf(leak),
    remedy: severity === 'info' ? [] : remediesFor(leak, front, ctx.fleet),
  })
}

function evidenceOf(
  leak: Leak,
  victims: Leak['victims'],
  mark: BorrowMark,
  hit: StateStep | null,
  says: string,
): RuleEvidence[] {
  const by = leak.setIn.who === null ? '' : ` by ${leak.setIn.who}`
  const from = leak.setIn.checkout
  const traced = from === null ? '' : ` (checkout ${from.input}:${from.line})`
  const was = leak.previous === null || leak.previous === '' ? '' : `; before: ${leak.previous}`
  const out: RuleEvidence[] = [
    {
      kind: 'frames',
      frames: [leak.setBy.frame],
      says: `${leak.setBy.text === null ? `${leak.name} began here` : `set here${by}: ${quoted(leak.setBy.text)}`}${was}${traced}`,
    },
  ]
  for (const v of victims.slice(0, VICTIMS_SHOWN)) {
    const x = v.steps[0]!
    const whose = v.borrow.who === null ? 'another borrower' : v.borrow.who
    const c = v.borrow.checkout
    const place = c === null ? `told apart by ${MARKS[mark]}` : `checkout ${c.input}:${c.line}`
    out.push({
      kind: 'frames',
      frames: [x.frame, x.replyFrame],
      says: `${whose} ran with it ${formatDuration(x.at - leak.setBy.at)} later (${place}): ${x.text === null ? 'a prepared statement' : quoted(x.text)}`,
    })
  }
  if (hit !== null) {
    out.push({ kind: 'frames', frames: [hit.frame, hit.replyFrame], says })
    if (hit.rows >= 0 && leak.state === 'sql_select_limit')
      out.push({
        kind: 'measure',
        name: 'rows of the result',
        value: hit.rows,
        unit: 'rows',
        compared: `SQL_SELECT_LIMIT ${leak.value}`,
      })
  }
  return out
}

function excludedOf(leak: Leak): string[] {
  const out = [
    'a reset in between: no COM_RESET_CONNECTION and no COM_CHANGE_USER',
    'a change taken back: no statement undid it before the next borrower’s',
    'a setting of the connection itself: it was not made right after the login',
  ]
  if (leak.damage === null) out.push('visible damage: none on the wire')
  return out
}

/** In quotes, which --redact takes for literals. */
const quoted = (statement: string): string => `"${statement.replaceAll('"', "'")}"`

const frameOf = (s: Session, x: StateStep): number => s.files.locate(x.frame).frame

/** `sql_select_limit=1`, `Schema archive`, `LOCK TABLES`: what was left, for a title. */
function described(leak: Leak): string {
  const { key } = leak.entries[0]!
  if (leak.state === 'schema') return `Schema ${leak.value}`
  if (leak.state === 'charset' && leak.entries.length > 1) return `Character set ${leak.value}`
  if (leak.state === 'open_transaction') return 'An open transaction'
  if (key.startsWith('var:')) return `${leak.name}=${leak.value === '' ? "''" : leak.value}`
  return leak.state === 'user_variable' && leak.value !== '' ? `${leak.name}='${leak.value}'` : leak.name
}

/** The statement without its literals: the same code sets it with other values. */
const shape = (text: string | null): string =>
  (text ?? '')
    .replace(/'[^']*'|"[^"]*"|\d+/g, '?')
    .toLowerCase()
    .slice(0, 80)
