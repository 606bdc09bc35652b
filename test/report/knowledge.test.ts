/** explain: error numbers, HAProxy states and texts find what they mean. */
import { describe, expect, it } from 'vitest'
import { RULES } from '../../src/index.ts'
import { KNOWLEDGE, lookUp } from '../../src/report/knowledge.ts'
import { renderKnowledge, renderRule, renderRulesList } from '../../src/report/rules-text.ts'
import { ascii, plain, text } from './fixtures.ts'

describe('lookUp', () => {
  it.each([
    ['4031', 'ER_CLIENT_INTERACTION_TIMEOUT'],
    ['ERROR 2013 (HY000): Lost connection', 'CR_SERVER_LOST'],
    ['MY-010914', 'ER_ABORTING_USER_CONNECTION'],
    ['er_con_count_error', 'ER_CON_COUNT_ERROR'],
    ['HAProxy:sD', 'sD'],
    ['haproxy sD', 'sD'],
    ['cD', 'cD'],
    ['CD', 'CD'],
    ['--', '--'],
    ['9001', 'PROXYSQL_MAX_CONN_TIMEOUT'],
    ['MySQL server has gone away', 'CR_SERVER_GONE_ERROR'],
    ['Lost connection to MySQL server during query', 'CR_SERVER_LOST'],
    ["(2006, 'MySQL server has gone away')", 'CR_SERVER_GONE_ERROR'],
    ['Got an error reading communication packets', 'ER_NET_READ_ERROR'],
    ['Got timeout writing communication packets', 'ER_NET_WRITE_INTERRUPTED'],
    ['Too many connections', 'ER_CON_COUNT_ERROR'],
    ['session trying to reach HG 3 while locked on HG 2', 'PROXYSQL_LAGGING_SRV'],
    ['timeout server expired', 'sD'],
  ])('%s', (asked, symbol) => {
    expect(lookUp(asked)[0]?.symbol).toBe(symbol)
  })

  it.each(['nonsense', '', '99999', 'HAProxy:zZ', 'the', '__proto__'])('knows nothing of %j', (asked) => {
    expect(lookUp(asked)).toEqual([])
  })
})

describe('the tables', () => {
  /** Rule ids of the report contract. */
  const CONTRACT = new Set(
    (
      'rst-after-query injected-reset connection-killed server-crash server-shutdown proxy-shutdown packet-too-large net-write-timeout client-timeout ' +
      'client-vanished client-no-quit query-cancelled idle-timeout-proxy idle-timeout-server middlebox-reset silent-drop validation-wrong-connection ' +
      'validation-too-late tls-error-queue tls-handshake-failure tls-required tls-plaintext-quit session-pollution multiplex-state-loss response-desync ' +
      'connection-sharing-blocked auth-failed too-many-connections host-blocked handshake-timeout probe-without-handshake connect-refused connect-timeout ' +
      'packet-loss pmtu-black-hole port-reuse wrong-protocol proxy-protocol-mismatch packet-out-of-order'
    ).split(' '),
  )

  it('have unique keys, whole sentences, and rules that exist', () => {
    expect(new Set(KNOWLEDGE.map((k) => k.key)).size).toBe(KNOWLEDGE.length)
    for (const k of KNOWLEDGE) {
      expect(k.means, k.key).toMatch(/[.)"]$/)
      expect(k.next.length, k.key).toBeGreaterThan(10)
      expect(
        k.rules.filter((r) => !CONTRACT.has(r)),
        k.key,
      ).toEqual([])
    }
  })

  it('offer only rules of this version', () => {
    const out = text(renderKnowledge(lookUp('2006'), RULES, plain))
    const offered = [...out.matchAll(/rules show (\S+)/g)].map((m) => m[1])
    expect(offered.filter((id) => !RULES.some((r) => r.id === id))).toEqual([])
    expect(text(renderKnowledge(lookUp('2006'), [], plain))).not.toContain('rules show')
  })
})

describe('rules', () => {
  it('list names each once, and show says everything of it', () => {
    const list = text(renderRulesList(RULES, plain))
    for (const r of RULES) {
      expect(list.match(new RegExp(`^    ${r.id} `, 'gm')), r.id).toHaveLength(1)
      const shown = text(renderRule(r, plain)).replace(/\s+/g, ' ')
      for (const part of [r.title, r.what, r.why, r.cannotTell, ...r.quiet, ...Object.keys(r.detail)]) {
        expect(shown).toContain(part.replace(/\s+/g, ' '))
      }
      expect(text(renderRule(r, ascii))).toMatch(/^[\x20-\x7e\n]*$/)
    }
  })
})
