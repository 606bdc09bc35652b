/**
 * Slices: the frames of a finding, of sessions or of a span of time, with the handshakes and secrets that they need, as pcapng with
 * comments at the decisive frames. A slice of a finding is analysed again before it is given away: it must give the same finding.
 */
import { readFileSync } from 'node:fs'
import { analyze, uniqueNames } from './analyze.ts'
import { type ExpandedInput, expandInputs } from './capture/expand-inputs.ts'
import { decryptionSecrets, enhancedPacket, interfaceDescription, sectionHeader } from './capture/pcapng-writer.ts'
import { groupSeries } from './capture/series.ts'
import { isCapture, openCapture, peekFirstPacket } from './capture/source.ts'
import { AnomalyLog } from './core/anomaly.ts'
import { MysqlconnError } from './core/errors.ts'
import { Epoch } from './core/time.ts'
import { analyzeBuffers } from './memory.ts'
import { type AnalyzeOptions, parseWhen, resolveWhen } from './options.ts'
import type { SessionFilter } from './report/filter.ts'
import type { Finding, Report } from './report/model.ts'
import { AddressMap } from './slice/anonymize/addresses.ts'
import { EN10MB, keyOf, Payloads, rebuild, rebuildIcmp } from './slice/anonymize/frames.ts'
import { Pseudonyms } from './slice/anonymize/pseudonyms.ts'
import { micros, type Picked, Picker } from './slice/picker.ts'
import { commentsOf, sessionsOfFinding, type Width, widen, withLegs } from './slice/select.ts'
import { VERSION } from './version.ts'

export interface SliceOptions extends AnalyzeOptions {
  /** Id of a finding, or the beginning of one that fits only one. */
  finding?: string
  session?: string
  filter?: SessionFilter
  anonymize?: boolean
  /** Secret that pseudonyms depend on; taken from the frames themselves when absent. */
  key?: Uint8Array
  /** The report of the same inputs, where it is known already. */
  report?: Report
}

export interface SliceFile {
  /** Name of the recording that it was cut from. */
  input: string
  frames: number
  bytes: Uint8Array
}

export interface Slice {
  files: SliceFile[]
  sessions: number
  /** What it was cut for, null for sessions and time. */
  finding: Finding | null
  /** For a finding: whether the slice alone gives it again. */
  reproduces: boolean | null
}

interface Source {
  path: string
  name: string
  format: string
  first: { unixSeconds: number; nanoseconds: number } | null
}

/** Cuts a slice. Throws MysqlconnError E_USAGE when nothing fits, or when the inputs cannot be read twice. */
export async function slice(inputs: readonly string[], options: SliceOptions): Promise<Slice> {
  const expanded = await expandInputs([...inputs, ...(options.keylogs ?? [])])
  if (expanded.some((i) => i.kind === 'stream'))
    throw new MysqlconnError(
      'E_USAGE',
      'a slice reads its inputs twice: standard input cannot be sliced',
      'save it first',
    )
  const report = options.report ?? (await analyze(inputs, { ...options, idle: false }))
  const finding = options.finding === undefined ? null : findingOf(report, options.finding)
  const wanted = wantedSessions(report, finding, options)
  const sources = await capturesOf(expanded)
  const secrets = options.anonymize ? '' : keyLogs(expanded)
  for (let width: Width = 0; ; width = (width + 1) as Width) {
    const chosen = widen(report, wanted, finding === null ? 0 : width)
    const files = await cut(report, chosen, sources, finding, secrets, options)
    if (finding === null) return { files, sessions: chosen.size, finding, reproduces: null }
    const again = analyzeBuffers(
      files.map((f) => ({ name: f.input, bytes: f.bytes })),
      { ...(options.ports === undefined ? {} : { ports: options.ports }) },
    )
    const reproduces = again.findings.some((f) => isSame(f, finding, options.anonymize === true))
    if (reproduces || width === 2) return { files, sessions: chosen.size, finding, reproduces }
  }
}

function findingOf(report: Report, asked: string): Finding {
  const fits = report.findings.filter((f) => f.id === asked || f.id.startsWith(asked))
  if (fits.length === 1) return fits[0]!
  const exact = fits.find((f) => f.id === asked)
  if (exact !== undefined) return exact
  const names = report.findings.slice(0, 8).map((f) => f.id)
  throw new MysqlconnError(
    'E_USAGE',
    fits.length === 0 ? `there is no finding '${asked}'` : `'${asked}' fits ${fits.length} findings`,
    names.length === 0 ? 'nothing was found in these inputs' : `findings: ${names.join(', ')}`,
  )
}

function wantedSessions(report: Report, finding: Finding | null, options: SliceOptions): Set<string> {
  let ids = report.sessions.map((s) => s.id)
  if (finding !== null) return sessionsOfFinding(report, finding)
  if (options.session !== undefined) {
    if (!ids.includes(options.session))
      throw new MysqlconnError(
        'E_NO_SUCH_SESSION',
        `there is no session ${options.session}`,
        `ids look like ${ids[0] ?? 'capture.pcap:0'}`,
      )
    ids = [options.session]
  }
  if (options.filter !== undefined)
    ids = report.sessions
      .filter(options.filter)
      .map((s) => s.id)
      .filter((id) => ids.includes(id))
  if (ids.length === 0) throw new MysqlconnError('E_USAGE', 'no session fits', 'mysqlconn sessions lists them')
  return withLegs(report, ids)
}

async function capturesOf(expanded: readonly ExpandedInput[]): Promise<Source[][]> {
  const names = uniqueNames(expanded)
  const sources: Source[] = []
  for (const [i, input] of expanded.entries()) {
    if (input.kind === 'stream' || !isCapture(input.kind)) continue
    const first = expanded.length > 1 ? await peekFirstPacket(input.path) : null
    sources.push({ path: input.path, name: names[i]!, format: input.kind, first })
  }
  return groupSeries(sources)
}

const keyLogs = (expanded: readonly ExpandedInput[]): string =>
  expanded
    .filter((i) => i.kind === 'keylog')
    .map((i) => readFileSync(i.path, 'utf8'))
    .join('\n')

/** One file per recording that has frames of these sessions. */
async function cut(
  report: Report,
  chosen: ReadonlySet<string>,
  sources: readonly Source[][],
  finding: Finding | null,
  secrets: string,
  options: SliceOptions,
): Promise<SliceFile[]> {
  const findings =
    finding === null ? report.findings.filter((f) => f.occurrences.some((o) => chosen.has(o.session))) : [finding]
  const comments = commentsOf(findings, options.anonymize !== true)
  const range = rangeOf(report, options)
  const recordings: { name: string; picker: Picker }[] = []
  const keys = [secrets]
  for (const group of sources) {
    const epoch = new Epoch()
    const picker = new Picker(report.sessions, chosen, epoch, range)
    picker.recording = group[0]!.name
    for (const source of group) {
      picker.begin(source.name, report.inputs.find((i) => i.name === source.name)?.clockOffsetSeconds ?? 0)
      const capture = await openCapture(source.path, {
        epoch,
        anomalies: new AnomalyLog(),
        sink: picker,
        signal: options.signal,
        onSecrets: (text) => keys.push(text),
      })
      await capture.run()
    }
    if (picker.picked.length > 0) recordings.push({ name: group[0]!.name, picker })
  }
  const all = recordings.flatMap((r) => r.picker.picked)
  if (all.length === 0) throw new MysqlconnError('E_USAGE', 'no frame fits')
  const what = finding === null ? 'sessions' : finding.id
  const anonymous = options.anonymize === true ? anonymizer(all, options.key) : null
  return recordings.map(({ name, picker }, i) => {
    const input = anonymous === null ? name : `capture${recordings.length > 1 ? i + 1 : ''}.pcapng`
    const about = `cut by mysqlconn ${VERSION}: ${anonymous === null ? what : `${finding?.rule ?? 'sessions'}, anonymised`}`
    return {
      input,
      ...write(
        picker,
        comments,
        about,
        anonymous === null ? secretsFor(picker.picked, keys.join('\n')) : '',
        anonymous,
      ),
    }
  })
}

/** --since and --until in microseconds since 1970: of longer sessions only what lies between, and their handshakes. */
function rangeOf(report: Report, options: SliceOptions): { since: number; until: number } {
  const first = report.inputs
    .map((i) => i.firstAt ?? '')
    .filter((t) => t !== '')
    .sort()[0]
  const day = first === undefined ? 0 : Math.floor(micros(first) / 1e6)
  const at = (text: string | undefined, otherwise: number): number => {
    const when = text === undefined ? null : parseWhen(text)
    if (when === null) return otherwise
    const resolved = resolveWhen(when, day)
    return resolved.unixSeconds * 1e6 + Math.floor(resolved.nanoseconds / 1e3)
  }
  return { since: at(options.since, Number.NEGATIVE_INFINITY), until: at(options.until, Number.POSITIVE_INFINITY) }
}

/** Lines of a key log whose ClientHello.random occurs in the frames (NSS key log format). */
function secretsFor(picked: readonly Picked[], keyLog: string): string {
  if (keyLog === '') return ''
  const randoms = new Set<string>()
  for (const p of picked) {
    const d = p.segment?.data
    if (d === undefined || d.length < 43) continue
    for (const at of [0, 36]) {
      if (d[at] === 22 && d[at + 5] === 1) randoms.add(Buffer.from(d.subarray(at + 11, at + 43)).toString('hex'))
    }
  }
  return keyLog
    .split(/\r?\n/)
    .filter((line) => randoms.has(line.split(' ')[1]?.toLowerCase() ?? ''))
    .map((line) => `${line}\n`)
    .join('')
}

interface Anonymizer {
  names: Pseudonyms
  addresses: AddressMap
  payloads: Payloads
}

function anonymizer(picked: readonly Picked[], key: Uint8Array | undefined): Anonymizer {
  const secret = key ?? keyOf(picked)
  const names = new Pseudonyms(secret)
  return { names, addresses: new AddressMap(secret), payloads: new Payloads(picked, names) }
}

function write(
  picker: Picker,
  comments: ReadonlyMap<string, ReadonlyMap<number, string>>,
  about: string,
  secrets: string,
  anonymous: Anonymizer | null,
): { bytes: Uint8Array; frames: number } {
  const blocks: Uint8Array[] = [sectionHeader({ application: `mysqlconn ${VERSION}`, comment: about })]
  const interfaces = new Map<string, number>()
  for (const p of picker.picked) {
    const key = anonymous === null ? `${p.input} ${p.interfaceId} ${p.linkType}` : 'one'
    if (interfaces.has(key)) continue
    interfaces.set(key, interfaces.size)
    blocks.push(
      interfaceDescription(anonymous === null ? { linkType: p.linkType, name: p.input } : { linkType: EN10MB }),
    )
  }
  if (secrets !== '') blocks.push(decryptionSecrets(secrets))
  let frames = 0
  for (const p of picker.picked) {
    const frame = anonymous === null ? p : rebuilt(p, anonymous, picker)
    if (frame === null) continue
    frames++
    const comment = comments.get(p.input)?.get(p.frame)
    blocks.push(
      enhancedPacket({
        interfaceId: interfaces.get(anonymous === null ? `${p.input} ${p.interfaceId} ${p.linkType}` : 'one')!,
        unixSeconds: p.unixSeconds,
        nanoseconds: p.nanoseconds,
        bytes: frame.bytes,
        originalLength: frame.originalLength,
        ...(comment === undefined ? {} : { comment }),
      }),
    )
  }
  return { bytes: Buffer.concat(blocks), frames }
}

function rebuilt(p: Picked, a: Anonymizer, picker: Picker): { bytes: Uint8Array; originalLength: number } | null {
  if (p.icmp === null) return rebuild(p, a.payloads, a.addresses, a.names)
  const bytes = rebuildIcmp(p, a.addresses, a.names, (ip) => picker.addressOf(p.icmp!.family, ip))
  return bytes === null ? null : { bytes, originalLength: bytes.length }
}

/** The same verdict: with pseudonyms its id differs, since it names hosts. */
function isSame(f: Finding, wanted: Finding, anonymous: boolean): boolean {
  if (f.rule !== wanted.rule || f.severity !== wanted.severity || f.confidence !== wanted.confidence) return false
  if (!anonymous && f.id !== wanted.id) return false
  const outcomes = (x: Finding): string =>
    x.occurrences
      .map((o) => o.outcome)
      .sort()
      .join(' ')
  const { role, product } = wanted.culprit
  return outcomes(f) === outcomes(wanted) && f.culprit.role === role && f.culprit.product === product
}
