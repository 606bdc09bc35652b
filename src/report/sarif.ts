/**
 * SARIF 2.1.0 (OASIS, with errata 01): every rule declared with its help, one result per finding, a code flow for the story of
 * each occurrence, suppressions for what a baseline accepts. Within GitHub's limits: 25,000 results a run, 1,000 locations a
 * result, 10,000 locations a thread flow, 20 tags a rule
 * (docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning).
 */
import { ANOMALY_KINDS } from '../core/anomaly.ts'
import type { RuleMeta } from '../detect/rule.ts'
import { evidenceText } from './finding-text.ts'
import type { Finding, InputReport, Occurrence, Report, Severity } from './model.ts'
import { inputIndex, leadOf, mainPlace, type Place, placesOf } from './place.ts'
import { RULE_BOOK } from './rule-book.ts'
import { escapeControls } from './style.ts'
import { isLost, OUTCOME_SAYS } from './words.ts'

const SCHEMA = 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json'
const MOST_RESULTS = 25_000
/** Occurrences told in full, and named at all. GitHub shows the first 100 locations of a result. */
const FLOWS = 10
const RELATED = 100
const NOTIFICATIONS = 100

const LEVEL: Record<Severity, 'error' | 'warning' | 'note'> = { error: 'error', warning: 'warning', info: 'note' }
/** Said of the whole run: what the capture could not show. */
const NOTIFIED: ReadonlySet<string> = new Set(
  Object.entries(ANOMALY_KINDS)
    .filter(([, row]) => row.accuses === 'capture')
    .map(([kind]) => kind),
)

export function* renderSarif(report: Report): Iterable<string> {
  const inputs = inputIndex(report)
  const index = new Map(RULE_BOOK.map((r, i) => [r.id, i]))
  const run = {
    tool: {
      driver: {
        name: 'mysqlconn',
        version: report.tool.version,
        semanticVersion: report.tool.version,
        rules: RULE_BOOK.map(descriptor),
      },
    },
    automationDetails: { id: 'mysqlconn/' },
    invocations: [
      {
        executionSuccessful: !report.partial && report.bugs === undefined,
        toolExecutionNotifications: notifications(report),
      },
    ],
    artifacts: report.inputs.map((i) => ({
      location: { uri: uri(i.path) },
      roles: ['analysisTarget'],
      ...(i.path === '-' ? {} : { length: i.bytes }),
    })),
    columnKind: 'utf16CodeUnits',
    results: report.findings.slice(0, MOST_RESULTS).map((f) => result(f, index.get(f.rule) ?? -1, inputs, report)),
  }
  yield* JSON.stringify({ $schema: SCHEMA, version: '2.1.0', runs: [run] }, null, 2).split('\n')
}

function descriptor(r: RuleMeta): object {
  const fix = r.fix.map((f) => (f.config === '' ? f.text : `${f.text}: ${f.config}`))
  const help = [r.what, `Why it matters: ${r.why}`, `Fix: ${fix.join('; ')}`, `It cannot tell: ${r.cannotTell}`]
  const markdown = [
    r.what,
    `**Why it matters.** ${r.why}`,
    `**Fix**\n\n${r.fix.map((f) => `- ${f.text}${f.config === '' ? '' : `: \`${f.config.replaceAll('`', "'")}\``}`).join('\n')}`,
    `**Cannot tell.** ${r.cannotTell}`,
    `**Read**\n\n${r.references.map((x) => `- [${x.title.replaceAll(']', ')')}](${x.url})`).join('\n')}`,
  ]
  return {
    id: r.id,
    name: r.id.replace(/(^|-)(.)/g, (_, __, c: string) => c.toUpperCase()),
    shortDescription: { text: r.title },
    fullDescription: { text: r.what },
    help: { text: help.join('\n\n'), markdown: markdown.join('\n\n') },
    helpUri: r.references[0]?.url,
    defaultConfiguration: { level: LEVEL[r.severity] },
    properties: { tags: ['mysql', r.family], precision: 'high', 'problem.severity': PROBLEM[r.severity] },
  }
}
const PROBLEM: Record<Severity, string> = { error: 'error', warning: 'warning', info: 'recommendation' }

function result(f: Finding, ruleIndex: number, inputs: ReadonlyMap<string, InputReport>, report: Report): object {
  const lead = leadOf(f)
  const related = f.occurrences.filter((o) => o !== lead).slice(0, RELATED)
  return {
    ruleId: f.rule,
    ...(ruleIndex < 0 ? {} : { ruleIndex }),
    level: LEVEL[f.severity],
    message: { text: message(f, lead) },
    locations: [location(mainPlace(f, inputs), lead)],
    partialFingerprints: { 'mysqlconnFinding/v1': f.id },
    ...(related.length === 0
      ? {}
      : {
          relatedLocations: related.map((o, i) => ({
            id: i + 1,
            ...location(placesOf(o, inputs)[0]!, o),
            message: { text: `${o.session} ${o.client} to ${o.server}, ${o.outcome}` },
          })),
        }),
    codeFlows: f.occurrences.slice(0, FLOWS).map((o) => codeFlow(o, inputs)),
    ...(report.check === undefined
      ? {}
      : {
          suppressions:
            f.suppressed === undefined
              ? []
              : [{ kind: 'external', status: 'accepted', justification: justification(f.suppressed) }],
        }),
    properties: {
      confidence: f.confidence,
      family: f.family,
      culprit: cleaned(f.culprit),
      occurrences: f.occurrences.length,
      excluded: cleaned(f.excluded),
      remedy: cleaned(f.remedy),
    },
  }
}

function message(f: Finding, lead: Occurrence | undefined): string {
  const lost =
    lead !== undefined && isLost(lead.outcome)
      ? `Lost: ${lead.statement ?? lead.command ?? 'a request that cannot be read'} (${OUTCOME_SAYS[lead.outcome]}).`
      : ''
  const fix = f.remedy[0]
  const todo = fix === undefined ? '' : `Do: ${fix.config === '' ? fix.text : `${fix.text}: ${fix.config}`}.`
  return [`${f.title} (${f.confidence}).`, lost, todo]
    .filter((t) => t !== '')
    .map(escapeControls)
    .join(' ')
}

const justification = (s: NonNullable<Finding['suppressed']>): string => `${s.reason} (${s.owner}, until ${s.expires})`

function location(place: Place, o: Occurrence | undefined): Record<string, unknown> {
  return {
    physicalLocation: { artifactLocation: { uri: uri(place.path) }, region: { startLine: place.line } },
    ...(o === undefined ? {} : { logicalLocations: [{ fullyQualifiedName: o.session, kind: 'connection' }] }),
  }
}

/** The evidence as steps; what names no frame or line belongs to the place before it. */
function codeFlow(o: Occurrence, inputs: ReadonlyMap<string, InputReport>): object {
  let last = placesOf(o, inputs)[0]!
  const locations = o.evidence.slice(0, 100).map((e, i) => {
    if (e.kind === 'frames' || e.kind === 'log') last = placesOf({ ...o, evidence: [e] }, inputs)[0]!
    return {
      location: { ...location(last, o), message: { text: escapeControls(evidenceText(e)) } },
      executionOrder: i + 1,
      importance: i === 0 ? 'essential' : 'important',
    }
  })
  const steps = locations.length > 0 ? locations : [{ location: location(last, o) }]
  return { message: { text: `${o.client} to ${o.server}` }, threadFlows: [{ id: o.session, locations: steps }] }
}

function notifications(report: Report): object[] {
  const blind = report.summary.blind.map((text) => ({ level: 'warning', message: { text: escapeControls(text) } }))
  const limits = report.inputs.flatMap((i) =>
    i.anomalies
      .filter((a) => NOTIFIED.has(a.kind))
      .map((a) => ({
        level: 'warning',
        descriptor: { id: a.kind },
        message: { text: `${escapeControls(i.name)}: ${a.kind}, ${a.count} times. ${a.means}` },
        locations: [
          {
            physicalLocation: {
              artifactLocation: { uri: uri(i.path) },
              region: { startLine: Math.max(1, a.firstFrame) },
            },
          },
        ],
      })),
  )
  const bugs = (report.bugs ?? []).map((b) => ({
    level: 'error',
    message: { text: `a bug of ours: rule ${b.rule} failed on ${b.session}` },
  }))
  return [...bugs, ...blind, ...limits].slice(0, NOTIFICATIONS)
}

/** RFC 3986: relative paths stay relative, so that they fit the repository's root; absolute ones become file URIs. */
function uri(path: string): string {
  const clean = path === '-' ? 'stdin' : path.replaceAll('\\', '/').replace(/^\.\//, '')
  const encoded = clean.split('/').map(encodeSegment).join('/')
  return clean.startsWith('/') ? `file://${encoded}` : encoded
}

/** A lone surrogate cannot be encoded; a colon in a first segment would be read as a scheme. */
const encodeSegment = (s: string): string =>
  encodeURIComponent(s.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd'))

/** Strings at any depth without controls. */
function cleaned(value: unknown): unknown {
  if (typeof value === 'string') return escapeControls(value)
  if (Array.isArray(value)) return value.map(cleaned)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, cleaned(v)]))
}
