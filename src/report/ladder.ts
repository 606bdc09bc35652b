/**
 * The ladder of one session (`sessions show`): one line per event, client to the left, server to the right, with frame
 * numbers as Wireshark has them and the silences between.
 */
import { serverName } from './chain.ts'
import { tsharkCommand } from './look.ts'
import type { Report, SessionReport, TraceEventReport } from './model.ts'
import { durationOf, endedText } from './sessions-table.ts'
import type { Style } from './style.ts'
import { bytes, count, dateAndTime, grouped, OUTCOME_SAYS, seconds } from './words.ts'
import { cut, displayWidth, hang, padStart, wrap } from './wrap.ts'

/** Columns between the two lanes: room for the longest COM_ name and an arrow. */
const LANE = 24
/** A pause worth a line of its own, in seconds. */
const PAUSE = 1

export function* renderLadder(report: Report, style: Style): Iterable<string> {
  for (const line of lines(report, style)) yield style.line(line)
}

function* lines(report: Report, style: Style): Iterable<string> {
  const { trace } = report
  if (trace === undefined) return
  const session = report.sessions.find((s) => s.id === trace.session)
  yield ''
  if (session !== undefined) yield* heading(session, style)
  const frameWidth = Math.max(5, ...trace.events.map((e) => String(e.frame).length))
  const before = `  ${padStart('seconds', 12)}  ${padStart('frame', frameWidth)}  `
  yield style.dim(`${before}client${' '.repeat(LANE - 10)}server`)
  if (trace.dropped > 0)
    yield `  ${' '.repeat(12)}  ${' '.repeat(frameWidth)}  ${count(trace.dropped, 'earlier event')} left out`
  let previous: TraceEventReport | undefined
  for (const event of trace.events) {
    yield* pause(previous, event, before.length, style)
    yield* eventLines(event, frameWidth, style)
    if ((event.state ?? '') !== (previous?.state ?? '')) {
      const says = event.state === undefined ? 'state: as the login left it' : `state: ${event.state}`
      yield* hang(`${' '.repeat(before.length + LANE + 2)}`, style.clean(says), style.width, style.yellow)
    }
    previous = event
  }
  yield ''
  if (session !== undefined) yield* footing(session, report, style)
}

function* heading(s: SessionReport, style: Style): Iterable<string> {
  const user = s.mysql?.user ? `${s.mysql.user}${s.mysql.schema ? `, schema ${s.mysql.schema}` : ''}, ` : ''
  const id = s.mysql?.connectionId ? `, connection id ${s.mysql.connectionId}` : ''
  const tls = s.tls ? `, ${s.tls.version ?? 'TLS'}${s.tls.decrypted ? ' (decrypted)' : ''}` : ''
  yield* hang('  ', style.clean(s.id), style.width, style.bold)
  yield* hang('  ', style.clean(`${user}${s.client} → ${serverName(s)} ${s.server}${id}${tls}`), style.width)
  yield* hang(
    '  ',
    `${dateAndTime(s.startAt)}, ${seconds(durationOf(s))}, frames ${grouped(s.firstFrame)} to ${grouped(s.lastFrame)}`,
    style.width,
  )
  yield ''
}

/** A silence between two events, shown where it lies: it is evidence too. */
function* pause(
  previous: TraceEventReport | undefined,
  event: TraceEventReport,
  indent: number,
  style: Style,
): Iterable<string> {
  if (previous === undefined) return
  const gap = event.offsetSeconds - previous.offsetSeconds
  if (gap < PAUSE) return
  yield `${' '.repeat(indent)}${lane(style, style.dim(centred(seconds(gap), LANE - 2, ' ')))}`
}

function* eventLines(event: TraceEventReport, frameWidth: number, style: Style): Iterable<string> {
  const frame = event.frame > 0 ? String(event.frame) : ''
  const head = `  ${padStart(event.offsetSeconds.toFixed(6), 12)}  ${padStart(frame, frameWidth)}  `
  const paint = event.emphasis
    ? style.red
    : event.layer === 'mysql'
      ? style.bold
      : event.layer === 'tls'
        ? style.yellow
        : plain
  const arrow = lane(style, paint(arrowText(event, style)))
  const size = event.bytes === undefined ? '' : `${bytes(event.bytes)}${event.says === '' ? '' : ': '}`
  const says = style.clean(size + event.says)
  const indent = head.length + LANE + 2
  if (says === '') {
    yield head + arrow
    return
  }
  const room = Math.max(20, style.width - indent)
  const text = wrap(says, room)
  const empty = `${' '.repeat(head.length)}${lane(style, ' '.repeat(LANE - 2))}`
  for (let i = 0; i < text.length; i++) yield `${i === 0 ? head + arrow : empty}  ${text[i]}`
}

const lane = (style: Style, inside: string): string => `${style.glyph.lane}${inside}${style.glyph.lane}`

/** `─ COM_QUERY ────────▶`, `◀──────── answer ─` or a note in the middle. */
function arrowText(event: TraceEventReport, style: Style): string {
  const room = LANE - 2
  const { line, left, right, dot, ellipsis } = style.glyph
  const what = cut(style.clean(event.what), room - 6, ellipsis)
  const filler = Math.max(1, room - displayWidth(what) - 4)
  if (event.dir === 'client') return `${line} ${what} ${line.repeat(filler)}${right}`
  if (event.dir === 'server') return `${left}${line.repeat(filler)} ${what} ${line}`
  return centred(`${dot} ${what} ${dot}`, room, ' ')
}

function centred(text: string, width: number, filler: string): string {
  const left = Math.max(0, Math.floor((width - displayWidth(text)) / 2))
  return filler.repeat(left) + text + filler.repeat(Math.max(0, width - left - displayWidth(text)))
}

function* footing(s: SessionReport, report: Report, style: Style): Iterable<string> {
  const end = s.ending
  const ended = end.how === 'open' ? 'Still open when the capture ended' : `Ended: ${endedText(s)}`
  const outstanding = end.command === null ? '' : `; ${end.command} ${OUTCOME_SAYS[end.outcome]}`
  yield* hang(
    '  ',
    style.clean(`${ended}, ${seconds(end.silenceSeconds)} after the last byte${outstanding}`),
    style.width,
  )
  for (const limit of s.mysql?.limits ?? []) yield* hang(`  ${style.glyph.dot} `, style.clean(limit), style.width)
  for (const f of report.findings) {
    const evidence = f.occurrences.find((o) => o.session === s.id)
    if (evidence === undefined) continue
    yield* hang(
      `  ${style.glyph[f.severity]} `,
      style.clean(`${f.title} (${f.confidence}; mysqlconn explain ${f.rule})`),
      style.width,
    )
  }
  const stream = s.id.slice(s.id.lastIndexOf(':') + 1)
  const input = s.id.slice(0, s.id.lastIndexOf(':'))
  const tshark = tsharkCommand(
    [{ kind: 'frames', input, frames: [], says: '', filter: `tcp.stream==${stream}` }],
    report.inputs,
  )
  if (tshark !== null) yield `  ${style.dim('Look:')} ${style.cyan(style.clean(tshark))}`
}

const plain = (s: string): string => s
