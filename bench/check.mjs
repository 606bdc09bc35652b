/** Holds a report against what the generator did: a benchmark of a program that finds nothing would be worth nothing. */
import { readFileSync } from 'node:fs'

/** What is wrong with the report, in words; empty when it is right. */
export function faults(reportPath, truth) {
  let report
  try {
    report = JSON.parse(readFileSync(reportPath, 'utf8'))
  } catch (e) {
    return [`no JSON report: ${e.message}`]
  }
  const wrong = []
  const input = report.inputs?.[0] ?? {}
  if (input.packets !== truth.packets) wrong.push(`${input.packets} packets reported, ${truth.packets} written`)
  if (input.connections !== truth.connections)
    wrong.push(`${input.connections} connections reported, ${truth.connections} written`)

  const expected = new Set(truth.reset.map((r) => r.client))
  const found = new Set()
  for (const finding of report.findings ?? []) {
    if (finding.severity !== 'error') continue
    for (const o of finding.occurrences) {
      if (finding.rule === 'rst-after-query' && expected.has(o.client)) found.add(o.client)
      else wrong.push(`${finding.rule} reported for ${o.client}, which was not reset`)
    }
  }
  for (const client of expected)
    if (!found.has(client)) wrong.push(`${client} was reset after its query, and not reported`)
  return wrong.length > 8 ? [...wrong.slice(0, 8), `and ${wrong.length - 8} more`] : wrong
}
