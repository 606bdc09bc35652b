/** TLS facts of a session: how far a handshake came, what was offered, plain text, and sessions begun before the capture. */
import { describe, expect, it } from 'vitest'
import { judge, play } from '../rules/kit.ts'
import { inUse, PLAIN_QUIT, SEALED_ALERT } from '../rules/tls-stories.ts'
import { record, sealed } from '../tls/kit.ts'

describe('TLS that was under way when the capture began', () => {
  const midstream = () => {
    const p = play()
    p.client.data(sealed(60))
    p.server.data(sealed(120))
    return p
  }

  it('is TLS, not another protocol', () => {
    const p = midstream()
    const j = judge(p)
    expect(j.findings.map((f) => f.title)).toEqual([])
    expect(j.session(0).tls).toMatchObject({ handshake: 'unseen', version: null })
  })

  it('knows COM_QUIT by its size although version and cipher are unknown', () => {
    const p = midstream()
    p.client.data(sealed(22))
    expect(judge(p.close('client')).findings).toEqual([])
  })

  it('loses a request that nobody answers', () => {
    const p = midstream()
    p.client.data(sealed(300))
    p.wait('1ms').server.rst()
    expect(judge(p).session(0).ending).toMatchObject({ how: 'rst', by: 'server', command: 'TLS record' })
  })

  it('is not believed of a connection that was seen to begin', () => {
    const p = play().connect()
    p.client.data(record(23, new Uint8Array(60).fill(0xa5)))
    p.server.data(Uint8Array.of(1, 2, 3))
    expect(judge(p.close('client')).session(0).tls).toBeNull()
  })
})

describe('COM_QUIT in plain text', () => {
  it('is an orderly end where nothing was waited for', () => {
    const p = inUse()
    p.client.data(PLAIN_QUIT)
    p.client.fin()
    p.server.data(SEALED_ALERT)
    expect(judge(p).session(0).ending).toMatchObject({ command: null, outcome: 'none' })
  })
})
