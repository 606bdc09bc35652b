/** The path of the broken session, client to server over every leg, with the cut at the side that made it. */
import { clientName, hostOf, legsOf, markText, proxyName, serverName } from '../chain.ts'
import type { Finding, Occurrence, SessionReport } from '../model.ts'
import { type Html, html } from './tag.ts'

export function chainHtml(o: Occurrence, finding: Finding, sessions: ReadonlyMap<string, SessionReport>): Html {
  const session = sessions.get(o.session)
  const legs = legsOf(o, session, sessions)
  const mark = session === undefined ? '' : markText(session, o.at, finding)
  const cut = mark === '' ? -1 : legs.findIndex((leg) => leg.session?.id === session?.id)
  const hosts = [
    { name: clientName(legs[0]!.session), endpoint: legs[0]!.client },
    ...legs.map((leg, i) => ({
      name: i < legs.length - 1 ? proxyName(leg.session) : serverName(leg.session),
      endpoint: leg.server,
    })),
  ]
  const parts: Html[] = []
  for (const [i, h] of hosts.entries()) {
    const guilty = finding.culprit.address !== null && finding.culprit.address === hostOf(h.endpoint)
    const name = guilty ? culpritName(finding, h.name) : h.name
    parts.push(
      html`<li class="host${guilty ? ' culprit' : ''}"><strong>${name}</strong><span class="mono">${h.endpoint}</span></li>`,
    )
    if (i === legs.length) continue
    const by = session?.ending.by ?? 'unknown'
    parts.push(
      i === cut
        ? html`<li class="leg cut"><div class="wire"><span class="x ${by}" aria-hidden="true">✕</span></div><span class="note">cut: ${mark}</span></li>`
        : html`<li class="leg" aria-hidden="true"><div class="wire"></div></li>`,
    )
  }
  return html`<ul class="chain" aria-label="Path of the connection">${parts}</ul>`
}

/** What the finding says of this host: it knows a proxy that opens connections for one. */
function culpritName(f: Finding, otherwise: string): string {
  const { role, product } = f.culprit
  if (role === 'client' || role === 'middlebox') return otherwise
  return product ?? (role === 'proxy' ? 'proxy' : otherwise)
}
