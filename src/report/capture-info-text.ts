/** `capture info`: what a file holds and what it cannot show. */
import { captureAdvice, costsEvidence, tcpdumpLine } from './completeness.ts'
import type { CaptureInfoReport, CrossCheck } from './model.ts'
import type { Style } from './style.ts'
import { bytes, count, dateAndTime, grouped, seconds } from './words.ts'
import { hang, padEnd } from './wrap.ts'

const LABEL = 11

export function* renderCaptureInfo(info: CaptureInfoReport, style: Style): Iterable<string> {
  for (const line of lines(info, style)) yield style.line(line)
}

function* lines(info: CaptureInfoReport, style: Style): Iterable<string> {
  yield ''
  yield* hang('  ', style.clean(info.path), style.width, style.bold)
  const packed = info.compression === 'none' ? '' : `, compressed with ${info.compression}`
  yield* row(style, 'format', [`${info.format}${packed}, ${bytes(info.bytes)} on disk`])
  const cut = info.cutPackets > 0 ? `, ${grouped(info.cutPackets)} of them cut short` : ''
  yield* row(style, 'frames', [`${grouped(info.packets)}${cut}`])
  if (info.firstAt !== null && info.lastAt !== null) {
    yield* row(style, 'time', [
      `${dateAndTime(info.firstAt)} to ${dateAndTime(info.lastAt)}, ${seconds(info.durationSeconds)}`,
    ])
  }
  yield* row(style, 'link types', [info.linkTypes.length === 0 ? 'none' : info.linkTypes.join(', ')])
  yield* row(style, 'snaplen', [info.snaplen === 0 ? 'no limit' : `${grouped(info.snaplen)} bytes`])
  yield* row(style, 'interfaces', info.interfaces.map(interfaceText))
  yield* row(style, 'TCP', [`${count(info.connections, 'connection')}, ${count(info.mysqlSessions, 'MySQL session')}`])
  yield* row(
    style,
    'servers',
    info.servers.map(
      (s) =>
        `${s.address}${s.version === null ? '' : ` ${s.version}`}, ${count(s.sessions, 'session')}${s.tls > 0 ? `, ${s.tls} with TLS` : ''}`,
    ),
  )
  yield ''
  yield* limits(info, style)
  if (info.crossCheck !== undefined) yield* crossCheck(info.crossCheck, style)
}

function interfaceText(i: CaptureInfoReport['interfaces'][number]): string {
  const drops =
    i.dropped === null
      ? 'drops unknown'
      : i.dropped === 0
        ? 'no drops'
        : `${grouped(i.dropped)} packets dropped while capturing`
  return `${i.name ?? 'unnamed'}: ${i.linkType}, ${drops}${i.filter === null ? '' : `, filter '${i.filter}'`}`
}

function* limits(info: CaptureInfoReport, style: Style): Iterable<string> {
  if (info.anomalies.length === 0) {
    yield `  ${style.green(style.glyph.ok)} Nothing in it limits the analysis`
    return
  }
  yield `  ${style.bold('What it cannot show, or shows oddly')}`
  for (const a of info.anomalies) {
    const place = a.places[0] ?? (a.firstFrame > 0 ? `frame ${grouped(a.firstFrame)}` : '')
    const facts = `${a.kind} ${style.glyph.times}${grouped(a.count)}${place === '' ? '' : ` (first: ${place})`}. ${a.means}`
    yield* hang(`    ${style.glyph.dot} `, style.clean(facts), style.width)
  }
  const costly = info.anomalies.filter(costsEvidence).map((anomaly) => ({ input: info.path, anomaly }))
  if (costly.length === 0) return
  yield ''
  yield `  ${style.bold('To see more')}`
  for (const line of captureAdvice(costly)) yield* hang(`    ${style.glyph.dot} `, line, style.width)
  yield `    ${style.cyan(tcpdumpLine(info.servers.map((s) => Number(s.address.slice(s.address.lastIndexOf(':') + 1)))))}`
}

function* crossCheck(c: CrossCheck, style: Style): Iterable<string> {
  yield ''
  const name = 'Second opinion (pcap-parser)'
  if (!c.supported) {
    yield* hang('  ', style.clean(`${name}: cannot read this file: ${c.why ?? 'format not supported'}`), style.width)
  } else if (c.agrees) {
    yield* hang(`  ${style.green(style.glyph.ok)} `, `${name}: agrees on ${count(c.frames ?? 0, 'frame')}`, style.width)
  } else {
    const where = c.frame === undefined ? '' : ` at frame ${grouped(c.frame)}`
    const says = `${name}: differs${where}. Ours: ${c.ours ?? '-'}. Its: ${c.theirs ?? '-'}.${c.why === undefined ? '' : ` ${c.why}`}`
    yield* hang(`  ${style.yellow(style.glyph.warning)} `, style.clean(says), style.width)
  }
}

function* row(style: Style, label: string, items: readonly string[]): Iterable<string> {
  for (let i = 0; i < items.length; i++) {
    const lines = hang(`  ${padEnd(i === 0 ? label : '', LABEL)} `, style.clean(items[i]!), style.width)
    if (i === 0) lines[0] = lines[0]!.replace(label, style.dim(label))
    yield* lines
  }
}
