/** What the sessions of a finding share and the survivors lack. */
import { describe, expect, it } from 'vitest'
import { analyzeBuffer } from '../../src/memory.ts'
import { capture, type Play, play, rows } from '../kit/play.ts'

interface Client {
  ip: string
  driver: string
  user?: string
}

let port = 41000
function opened(c: Client): Play {
  const attributes = { _client_name: c.driver, _client_version: '1.0' }
  return play({ client: `${c.ip}:${port++}` })
    .connect()
    .login({ user: c.user ?? 'app', attributes })
    .query('SELECT 1', rows(1))
}
function broken(c: Client): Play {
  const p = opened(c).wait('2s').query('SELECT SLEEP(5)').wait('10ms')
  p.server.rst()
  return p
}
const fine = (c: Client): Play => opened(c).wait('5s').query('SELECT 3', rows(1)).quit()

function sharedBy(plays: readonly Play[]): unknown {
  const r = analyzeBuffer('p.pcap', capture(plays).bytes, { rules: ['rst-after-query'] })
  expect(r.bugs ?? []).toEqual([])
  expect(r.findings).toHaveLength(1)
  return r.findings[0]!.detail['shared']
}

const OLD: Client = { ip: '10.1.0.10', driver: 'pymysql' }
const NEW: Client = { ip: '10.1.0.11', driver: 'mysql-connector' }

describe('detail.shared', () => {
  it('says host and driver when only these were hit', () => {
    expect(
      sharedBy([broken(OLD), broken(OLD), broken(OLD), fine(NEW), fine(NEW), fine({ ...NEW, ip: '10.1.0.12' })]),
    ).toEqual(['all 3 from 10.1.0.10 with pymysql 1.0; 3 other sessions of 2 hosts survived'])
  })

  it('says only the driver when it hit on every host', () => {
    const elsewhere = { ...OLD, ip: '10.1.0.11' }
    expect(sharedBy([broken(OLD), broken(elsewhere), fine({ ...NEW, ip: OLD.ip }), fine(NEW)])).toEqual([
      'all 2 with pymysql 1.0; 2 other sessions of 2 hosts survived',
    ])
  })

  it('counts survivors that are alike as evidence against it', () => {
    expect(sharedBy([broken(OLD), broken(OLD), fine(OLD), fine(NEW), fine(NEW)])).toEqual([
      'all 2 from 10.1.0.10 with pymysql 1.0; 2 other sessions of 1 host survived, and so did 1 alike',
    ])
  })

  it('says nothing when nothing separates them', () => {
    expect(sharedBy([broken(OLD), broken(OLD), fine(OLD), fine(OLD)])).toBeUndefined()
  })

  it('says nothing of one session, and nothing when none survived', () => {
    expect(sharedBy([broken(OLD), fine(NEW)])).toBeUndefined()
    expect(sharedBy([broken(OLD), broken(OLD)])).toBeUndefined()
  })
})
