/** tls-plaintext-quit: five bytes in plain text that harm nobody. */
import { describe, expect, it } from 'vitest'
import { sealed } from '../tls/kit.ts'
import { innocent } from './incidents.ts'
import { CLIENT_IP, expectQuiet, judge, type Play, says, working } from './kit.ts'
import { SEALED_QUIT } from './stories.ts'
import { inUse, PLAIN_QUIT, SEALED_ALERT } from './tls-stories.ts'

const RULE = 'tls-plaintext-quit'

function plainQuit(p: Play): Play {
  p.as('quit').client.data(PLAIN_QUIT)
  p.client.fin()
  p.server.data(SEALED_ALERT)
  p.client.rst()
  return p
}

describe('COM_QUIT in plain text', () => {
  it('is told, and is no break', () => {
    const j = judge([plainQuit(inUse()), plainQuit(inUse({ client: `${CLIENT_IP}:40001` }))])
    const f = j.only(RULE)
    expect(j.accusations).toEqual([])
    expect(f).toMatchObject({ severity: 'info', confidence: 'certain', detail: { serverAlert: true, reset: true } })
    expect(f.occurrences).toHaveLength(2)
    expect(says(j, j.findings[0]!.occurrences[0]!, 'quit')).toContain('COM_QUIT in plain text')
  })

  it('counts as COM_QUIT for all other rules', () => {
    const j = judge(plainQuit(inUse()))
    expect(j.findings.map((f) => f.rule)).toEqual([RULE])
  })

  it('with a request outstanding the request is lost all the same', () => {
    const p = inUse()
    p.client.data(sealed(200))
    p.wait('1s')
    const j = judge(plainQuit(p))
    expect(j.of(RULE)).toHaveLength(1)
    expect(j.session(0).ending.outcome).not.toBe('none')
  })
})

describe('stays quiet', () => {
  it('COM_QUIT inside TLS', () => {
    const p = inUse()
    p.client.data(SEALED_QUIT)
    expectQuiet(judge(p.close('client')), RULE)
  })

  it('COM_QUIT without TLS', () => expectQuiet(judge(working().quit()), RULE))

  it('other plain text in a TLS stream', () => {
    const p = inUse()
    p.client.data('GET / HTTP/1.1\r\n\r\n')
    expect(judge(p.close('client')).of(RULE)).toEqual([])
  })
})

for (const name of ['H-healthy', 'A-frontend-abort-fin', 'K8-client-dies', 'tls-control-13']) innocent(name, RULE)
